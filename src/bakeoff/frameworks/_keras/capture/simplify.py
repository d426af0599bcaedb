"""Padding that Keras writes as a layer of its own becomes a convolution's own pad, where that says the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from bakeoff.graph.graph import Graph, Node, Ref

NONE = (0, 0, 0, 0)


def merge_padding(graph: Graph) -> Graph:
    """A pad of zeros, the same on both sides, into the one convolution that reads it.

    Only where the convolution has no pad of its own and is called once. Never into a max pooling: Keras pads with 0,
    a pooling with minus infinity.
    """
    readers = Counter(ref for node in graph.nodes for ref in node.inputs)
    readers.update(graph.outputs.values())
    readers.update(penalty.on for penalty in graph.penalties if isinstance(penalty.on, Ref))
    modules = Counter(tuple(sorted(map(str, node.parameters.values()))) for node in graph.nodes if node.parameters)
    nodes = {node.id: node for node in graph.nodes}
    merged: dict[str, Node] = {}
    gone: set[str] = set()
    for node in graph.nodes:
        source = nodes.get(node.inputs[0].node) if node.op == "conv2d" else None
        if source is None or source.op != "pad" or not _mergeable(source, node) or readers[Ref(source.id)] != 1:
            continue
        if modules[tuple(sorted(map(str, node.parameters.values())))] == 1:
            attributes = replace(node.attributes, pad=_sides(source))
            merged[node.id] = replace(node, attributes=attributes, inputs=source.inputs)
            gone.add(source.id)
    kept = tuple(merged.get(node.id, node) for node in graph.nodes if node.id not in gone)
    return replace(graph, nodes=kept)


def _sides(pad: Node) -> tuple[int, int, int, int]:
    top, bottom, left, right = pad.attributes.pad
    return top, bottom, left, right


def _mergeable(pad: Node, convolution: Node) -> bool:
    a = pad.attributes
    if getattr(a, "mode", "constant") != "constant" or a.value or convolution.attributes.pad != NONE:
        return False
    top, bottom, left, right = _sides(pad)
    return top == bottom and left == right
