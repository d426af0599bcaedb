"""One form for nets that say the same in other words: what a library writes as a layer and another as a number.

pads of zeros       go into the convolution or average pool that reads them
shapes              that only a flatten reads are left out, as is a flatten of what is flat
flatten             counts height, width, channels; the rows of dense kernels move along
scaling of inputs   what a net does to each channel first, y = scale x + shift, is part of how images are prepared
softmax             behind the logits is told apart
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from bakeoff.graph.graph import Graph, Node, Ref
from bakeoff.graph.interpreter import PREDICT
from bakeoff.graph.passes import prune
from bakeoff.schemas import Array

AFFINE = ("scale_shift", "normalization", "affine_channel", "mul", "add", "sub", "div", "constant")
PADDED = ("conv2d", "avg_pool2d")
THROUGH = ("dropout", "relu", "stop_gradient")  # what works on each feature alone


def canonical(graph: Graph) -> Graph:
    """The same net with pads merged, without what only changes shapes, and every flatten in one order."""
    return _flattened(_reshaped(_padded(graph)))


def _padded(graph: Graph) -> Graph:
    readers = Counter(ref for node in graph.nodes for ref in node.inputs)
    readers.update(graph.outputs.values())
    nodes = {node.id: node for node in graph.nodes}
    merged: dict[str, Node] = {}
    for node in graph.nodes:
        pad = nodes.get(node.inputs[0].node) if node.op in PADDED and node.inputs else None
        if pad is None or pad.op != "pad" or readers[Ref(pad.id)] != 1 or any(node.attributes.pad):
            continue
        if pad.attributes.mode == "constant" and not pad.attributes.value:
            told = {"pad": pad.attributes.pad} | ({"count_include_pad": True} if node.op == "avg_pool2d" else {})
            merged[node.id] = replace(node, attributes=replace(node.attributes, **told), inputs=pad.inputs)
    gone = {nodes[node.id].inputs[0].node for node in merged.values()}
    kept = (merged.get(node.id, node) for node in graph.nodes if node.id not in gone)
    return replace(graph, nodes=tuple(kept))


def _reshaped(graph: Graph) -> Graph:
    """Without a flatten of what is flat or one pixel, and without a reshape that a flatten undoes."""
    read = {n.inputs[0].node for n in graph.nodes if n.op == "flatten" and _readers(graph, n.inputs[0]) == 1}
    graph = replace(graph, nodes=tuple(_vector(node) if node.id in read else node for node in graph.nodes))
    nodes = {node.id: node for node in graph.nodes}
    instead = {Ref(n.id): n.inputs[0] for n in graph.nodes if n.op == "flatten" and len(graph.input_shapes(n)[0]) == 2}
    for node in graph.nodes:
        source = nodes.get(node.inputs[0].node) if node.op == "flatten" else None
        if (
            source
            and source.op == "reshape"
            and source.id in read
            and source.inputs
            and _counts_on(node, source, graph)
        ):
            instead[Ref(source.id)] = source.inputs[0]
    while chained := {ref: instead[to] for ref, to in instead.items() if to in instead}:
        instead |= chained
    return _rewired(graph, instead) if instead else graph


def _vector(node: Node) -> Node:
    """A mean of the image as (N, C)."""
    one_pixel = node.op == "global_avg_pool" and node.attributes.keepdims
    return replace(node, attributes=replace(node.attributes, keepdims=False)) if one_pixel else node


def _counts_on(flatten: Node, reshape: Node, graph: Graph) -> bool:
    """Whether a flatten counts the elements as they lie, both of what it reads and of what that was made of."""
    shapes = graph.input_shapes(reshape)[0], graph.input_shapes(flatten)[0]
    as_it_lies = all(flatten.attributes.order == "HWC" or len(one) < 4 or one[3] == 1 for one in shapes)
    return as_it_lies and shapes[0][0] == shapes[1][0]


def _readers(graph: Graph, ref: Ref) -> int:
    return sum(ref in node.inputs for node in graph.nodes) + (ref in graph.outputs.values())


def _flattened(graph: Graph) -> Graph:
    nodes, arrays = list(graph.nodes), dict[str, Array]()
    for place, node in enumerate(nodes):
        shape = graph.input_shapes(node)[0] if node.op == "flatten" else ()
        users = _behind(graph, node) if len(shape) == 4 and getattr(node.attributes, "order", "") == "CHW" else []
        fixed = all(isinstance(n, int) for n in shape[1:])
        if not users or not fixed or any(user.op != "dense" for user in users):
            continue
        height, width, channels = (int(str(n)) for n in shape[1:])
        for path in {str(user.parameters["kernel"]) for user in users}:
            kernel = graph.parameters[path].array
            moved = kernel.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
            arrays[path] = np.ascontiguousarray(moved).reshape(kernel.shape)
        nodes[place] = replace(node, attributes=replace(node.attributes, order="HWC"))
    return replace(graph, nodes=tuple(nodes)).with_arrays(arrays)


def _behind(graph: Graph, node: Node) -> list[Node]:
    """What reads a flatten's features, behind what works on each of them alone."""
    found: list[Node] = []
    for user in graph.nodes:
        if Ref(node.id) in user.inputs:
            found += _behind(graph, user) if user.op in THROUGH else [user]
    return found


def without_scaling(graph: Graph) -> tuple[Graph, Array, Array, str]:
    """The net without what it does to each channel of its input first; scale and shift (C,), the last such layer."""
    first, channels = Ref(next(iter(graph.inputs))), int(str(graph.input_shape[3]))
    scale, shift, last = np.ones(channels), np.zeros(channels), ""
    probes = np.stack([np.zeros((2, 2, channels)), np.ones((2, 2, channels)), np.full((2, 2, channels), 0.3)])
    ref, values = first, {first: probes}
    for node in graph.nodes:
        if node.op not in AFFINE or any(one not in values for one in node.inputs):
            continue
        told = {s: graph.parameters[p].array for s, p in node.parameters.items() if isinstance(p, str)}
        given = (values[one] for one in node.inputs)
        values[Ref(node.id)] = np.asarray(node.page.truth(PREDICT, node.attributes, *given, **told))
    while len(readers := [node for node in graph.nodes if ref in node.inputs]) == 1:
        y = values.get(Ref(readers[0].id))
        if y is None or y.shape != probes.shape or not _each_alone(y):
            break
        ref, last = Ref(readers[0].id), readers[0].name
        scale, shift = y[1, 0, 0] - y[0, 0, 0], y[0, 0, 0]
    return (_rewired(graph, {ref: first}) if last else graph), scale, shift, last


def _each_alone(y: Array) -> bool:
    """Whether black, white and a grey between them come out as one straight line for each channel, everywhere alike."""
    middle = 0.7 * y[0] + 0.3 * y[1]
    return bool(np.allclose(y, y[:, :1, :1]) and np.allclose(y[2], middle, atol=1e-6 * float(np.abs(y).max() or 1.0)))


def without_softmax(graph: Graph) -> tuple[Graph, int]:
    """The net without the softmax at its end, and how many there were; a logarithm of one counts as one."""
    count = 0
    while (last := graph.node(graph.output.node)).op in ("softmax", "log_softmax"):
        graph, count = _rewired(graph, {Ref(last.id): last.inputs[0]}), count + 1
    return graph, count


def _rewired(graph: Graph, instead: dict[Ref, Ref]) -> Graph:
    """The graph whose readers of some values read others; what nobody reads any more is gone."""

    def turned(refs: Iterable[Ref]) -> tuple[Ref, ...]:
        return tuple(instead.get(ref, ref) for ref in refs)

    nodes = tuple(
        replace(
            node,
            inputs=turned(node.inputs),
            parameters={s: instead.get(p, p) if isinstance(p, Ref) else p for s, p in node.parameters.items()},
        )
        for node in graph.nodes
    )
    outputs = {name: instead.get(ref, ref) for name, ref in graph.outputs.items()}
    return prune(replace(graph, nodes=nodes, outputs=outputs))
