"""A graph as settings: what each operator is told, all nodes of it in order, and the arrays behind them.

Two captures of the same net have the same operators in the same order; then every attribute and array has its
counterpart. Where they haven't, the whole net is one setting, `net.architecture`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from bakeoff.errors import BakeoffError
from bakeoff.graph import interpreter
from bakeoff.graph.graph import Graph, Node, Ref
from bakeoff.graph.initialize import torch_uniform
from bakeoff.ops._dimension import Dim, at
from bakeoff.ops._page import Mode
from bakeoff.ops._window import explicit, reach
from bakeoff.parity.difference import relative
from bakeoff.schemas import Array

WHOLE = "net.architecture"
STRUCTURE = ("shape", "filters", "kernel", "units")  # what another architecture has, and no switch changes


def settings(graph: Graph, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """net.OP.ATTR (a tuple, a value a node), array.OP.NUMBER.SLOT, and the operators themselves."""
    shapes = _shapes(graph, size)
    found: dict[str, Any] = {}
    for node in graph.nodes:
        for one in fields(node.attributes):
            value = getattr(node.attributes, one.name)
            if one.name == "pad" and value == "same":
                value = _explicit(node, shapes.get(node.inputs[0])) or value
            found.setdefault(f"net.{node.op}.{one.name}", []).append(value)
    found |= {key: graph.parameters[path].array for path, key in slots(graph).items()}
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
    operators = tuple(node.op for node in graph.nodes if node.op != "dropout")
    return {**plain, "net.operators": operators, WHOLE: graph}


def slots(graph: Graph) -> dict[str, str]:
    """{path of a parameter: its setting array.OP.NUMBER.SLOT}, the same for every net that is built alike."""
    each = ((path, node.op, n, slot) for node, n in numbered(graph) for slot, path in node.parameters.items())
    return {path: f"array.{op}.{n}.{slot}" for path, op, n, slot in each if isinstance(path, str)}


def fresh(graph: Graph, seed: int) -> Graph:
    """The net as it starts: weights drawn anew, statistics 0 and 1."""
    arrays: dict[str, Array] = {}
    for node in graph.nodes:
        for slot, spec in graph.slots(node).items():
            path = node.parameters.get(slot)
            if isinstance(path, str) and spec.role != "constant":
                arrays[path] = torch_uniform(seed, path, node.op, slot, spec)
    return graph.with_arrays(arrays)


def numbered(graph: Graph) -> Iterator[tuple[Node, int]]:
    """Each node, and how many of its operator came before it."""
    seen: Counter[str] = Counter()
    for node in graph.nodes:
        yield node, seen[node.op]
        seen[node.op] += 1


def switched(graph: Graph, changes: Mapping[str, Any]) -> Graph:
    """The graph with other attributes and arrays; what it doesn't have stays away."""
    graph = changes.get(WHOLE, graph)
    arrays: dict[str, Array] = {}
    for path, key in slots(graph).items():
        own = graph.parameters[path].array
        if key in changes and changes[key].shape == own.shape:
            arrays[path] = changes[key].astype(own.dtype)
    nodes = []
    for node, number in numbered(graph):
        told = {}
        for one in fields(node.attributes):
            values = changes.get(f"net.{node.op}.{one.name}")
            if values is not None:
                told[one.name] = values[number] if isinstance(values, tuple) and len(values) > number else values
        nodes.append(replace(node, attributes=replace(node.attributes, **told)) if told else node)
    return replace(graph, nodes=tuple(nodes)).with_arrays(arrays)


def alike(a: Graph, b: Graph) -> bool:
    """Whether every node and array has its counterpart, dropout apart."""
    one, two = settings(a), settings(b)
    shapes = [{key: v.shape for key, v in each.items() if key.startswith("array.")} for each in (one, two)]
    return one["net.operators"] == two["net.operators"] and shapes[0] == shapes[1]


def places(graph: Graph, changes: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """The module paths of the nodes that a switch changes."""
    found = []
    for node, number in numbered(graph):
        for key, value in changes.items():
            if key.startswith(f"array.{node.op}.{number}."):
                found.append(node.name)
            elif key.startswith(f"net.{node.op}.") and isinstance(value, tuple):
                old = before.get(key, ())
                if number < len(value) and (number >= len(old) or old[number] != value[number]):
                    found.append(node.name)
    return list(dict.fromkeys(found))


def walk(a: Graph, b: Graph, images: Array) -> list[tuple[str, str, float, float]]:
    """(path, operator, local, accumulated) of each node, in float64: how far B's layer is from A's on A's own input,
    and on what came before; relative to the largest value of A's.

    Raises:
        BakeoffError: the nets have no common nodes.
    """
    if not alike(a, b) or len(a.nodes) != len(b.nodes):
        raise BakeoffError("the nets differ in their operators: no layer of one is a layer of the other.")
    a, b = a.astype("float64"), b.astype("float64")
    first = interpreter.trace(a, images.astype("float64"))
    second = interpreter.trace(b, images.astype("float64"))
    renamed = {Ref(y.id, i): Ref(x.id, i) for x, y in zip(a.nodes, b.nodes, strict=True) for i in range(4)}
    renamed |= {Ref(name): Ref(other) for name, other in zip(b.inputs, a.inputs, strict=True)}
    values = {ref: first[renamed[ref]] for ref in second if renamed[ref] in first}
    sizes = {n.atom: size for n, size in zip(b.input_shape, images.shape, strict=True) if isinstance(n, Dim)}
    found = []
    for x, y in zip(a.nodes, b.nodes, strict=True):
        given = (values[ref] for ref in y.inputs)
        attributes = interpreter.concrete(y.attributes, sizes)
        out = y.page.truth(Mode(), attributes, *given, **interpreter.parameters(b, y, values))
        local = out[0] if isinstance(out, tuple) else out
        whole, true = second[Ref(y.id)], first[Ref(x.id)]
        found.append((x.name, x.op, relative(local, true), relative(whole, true)))
    return found


def _shapes(graph: Graph, size: tuple[int, int] | None) -> Mapping[Ref, Any]:
    """Shapes at a size, where it is known."""
    if size is None:
        return graph.shapes
    _, height, width, _ = graph.input_shape
    known = {side.atom: n for side, n in zip((height, width), size, strict=True) if isinstance(side, Dim)}
    told: dict[Any, int] = {**known}
    return {
        ref: tuple(at(n, **told) if isinstance(n, Dim) and n.symbol() in told else n for n in shape)
        for ref, shape in graph.shapes.items()
        if all(isinstance(n, int | Dim) for n in shape)
    }


def _explicit(node: Node, shape: Any) -> Any:
    """The pad of "same" in numbers, where the size is known."""
    a = node.attributes
    kernel = getattr(a, "kernel", None) or getattr(a, "window", None)
    if shape is None or kernel is None or len(kernel) != 2 or not all(isinstance(n, int) for n in shape[1:3]):
        return None
    dilation = getattr(a, "dilation", (1, 1))
    return explicit(shape, tuple(reach(k, d) for k, d in zip(kernel, dilation, strict=True)), a.stride, "same")  # type: ignore[arg-type]
