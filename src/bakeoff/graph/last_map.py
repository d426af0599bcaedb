"""The last feature map of a classifier, and the part of the net behind it: where in an image an answer comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import cast

from bakeoff.errors import UnsupportedError
from bakeoff.graph.graph import Graph, Node, Ref
from bakeoff.graph.passes import of_size, prune
from bakeoff.ops._dimension import Dim

NAME = "map"


def halves(graph: Graph, size: tuple[int, int]) -> tuple[Graph, Graph] | None:
    """The net with its last feature map as a second output, and the part that makes logits of that; None without one.

    The last is where all of the image still passes through one value that has rows and columns, and no weights come
    before places are pooled or flattened: what is behind it is computed quickly. A transformer, which works on tokens
    to its end, has none.

    Args:
        graph: images to logits.
        size: (height, width) of the images; the second half takes (batch, rows, columns, channels).
    """
    try:
        sized = prune(of_size(graph, *size))
        found = _last_map(sized)
    except UnsupportedError:  # what was captured for images of any size may have reshapes that say so
        return None
    if found is None:
        return None
    head = _behind(sized, found)
    if any(node.parameters and _places(head, node) > 1 for node in head.nodes):
        return None
    return replace(graph, outputs={**graph.outputs, NAME: found}), head


def _last_map(graph: Graph) -> Ref | None:
    live = _live(graph, set(graph.inputs))
    needed = {graph.output}
    for node in reversed(graph.nodes):
        own = {ref for ref in needed if ref.node == node.id}
        if own and own == needed and len(own) == 1 and _is_map(graph, *own):
            return own.pop()
        if own:
            needed = (needed - own) | {ref for ref in _sources(node) if ref.node in live}
    return None


def _behind(graph: Graph, place: Ref) -> Graph:
    (name,) = graph.inputs
    ids = _live(graph, {place.node}) - {place.node}
    ids |= {node.id for node in graph.nodes} - _live(graph, set(graph.inputs))  # constants

    def moved(node: Node) -> Node:
        inputs = tuple(Ref(name) if ref == place else ref for ref in node.inputs)
        slots = {slot: Ref(name) if one == place else one for slot, one in node.parameters.items()}
        return replace(node, inputs=inputs, parameters=slots)

    nodes = tuple(moved(node) for node in graph.nodes if node.id in ids)
    return prune(replace(graph, inputs={name: graph.shapes[place]}, nodes=nodes, penalties=()))


def _places(graph: Graph, node: Node) -> int:
    """Rows times columns of a node's value, or its number of tokens; 1 of a vector."""
    sizes = [size for size in graph.shapes[Ref(node.id)][1:-1] if not isinstance(size, Dim)]
    return math.prod(sizes)


def _live(graph: Graph, begin: Set[str]) -> set[str]:
    """The inputs and nodes that `begin` reaches, themselves among them."""
    reached = set(begin)
    for node in graph.nodes:
        if any(ref.node in reached for ref in _sources(node)):
            reached.add(node.id)
    return reached


def _sources(node: Node) -> list[Ref]:
    return [*node.inputs, *(one for one in node.parameters.values() if isinstance(one, Ref))]


def _is_map(graph: Graph, ref: Ref) -> bool:
    """Whether a value has rows and columns as the image has: more than one element, in its proportions."""
    sizes = [size for shape in (graph.shapes[ref], graph.input_shape) for size in shape[1:3]]
    if len(graph.shapes[ref]) != 4 or any(isinstance(size, Dim) for size in sizes):
        return False
    rows, columns, height, width = cast(Sequence[int], sizes)
    strides = height / rows, width / columns
    return rows * columns > 1 and min(strides) >= 1 and max(strides) <= 2 * min(strides)
