"""A graph as plain JSON values and back; the arrays travel beside it.

    {"schema": 1, "inputs": {"input": ["batch", 28, 28, 1]}, "outputs": {"logits": ["linear", 0]},
     "nodes": [{"id", "op", "path", "attributes": {...}, "inputs": [["input", 0]],
                "parameters": {"kernel": "conv1.kernel"}}],
     "parameters": {"conv1.kernel": {"shape", "dtype", "role", "trainable"}}}

A slot holds a parameter's path, or [node, output] where another node computes it. Where terms of the loss live in the
model, the schema is 2, so that an older version doesn't drop them, and there is

     "penalties": [{"on": "conv1.kernel", "l1": 0.0, "l2": 0.01}]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec

from bakeoff.errors import BakeoffError, CorruptError, UnsupportedError, UsageError, VersionError
from bakeoff.graph import penalties
from bakeoff.graph.graph import Graph, Node, Parameter, Ref
from bakeoff.ops import page
from bakeoff.ops._dimension import Size
from bakeoff.ops._dimension import from_json as dimension_from_json
from bakeoff.ops._dimension import to_json as dimension_to_json
from bakeoff.schemas import Array

SCHEMA, WITH_PENALTIES = 1, 2


def to_json(graph: Graph) -> dict[str, Any]:
    """Lists, dicts, strings and numbers that say the graph, apart from its arrays."""
    more = {"penalties": penalties.to_json(graph.penalties)} if graph.penalties else {}
    return {
        "schema": WITH_PENALTIES if more else SCHEMA,
        "inputs": {name: [dimension_to_json(size) for size in shape] for name, shape in graph.inputs.items()},
        "outputs": {name: _ref(ref) for name, ref in graph.outputs.items()},
        "nodes": [_node(node) for node in graph.nodes],
        "parameters": {path: _metadata(parameter) for path, parameter in graph.parameters.items()},
        **more,
    }


def _ref(ref: Ref) -> list[Any]:
    return [ref.node, ref.index]


def _node(node: Node) -> dict[str, Any]:
    slots = {slot: source if isinstance(source, str) else _ref(source) for slot, source in node.parameters.items()}
    return {
        "id": node.id,
        "op": node.op,
        "path": node.path,
        "attributes": msgspec.to_builtins(node.attributes),
        "inputs": [_ref(ref) for ref in node.inputs],
        "parameters": slots,
    }


def _metadata(parameter: Parameter) -> dict[str, Any]:
    array = parameter.array
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "role": parameter.role,
        "trainable": parameter.trainable,
    }


def from_json(value: Any, arrays: Mapping[str, Array]) -> Graph:
    """The graph that `to_json` wrote, with these arrays.

    Raises:
        VersionError: another schema.
        UnsupportedError: an operator that this version has no page for.
        CorruptError: it doesn't hold together, or the arrays are not the ones it names.
    """
    if not isinstance(value, Mapping) or "schema" not in value:
        raise CorruptError("graph: not the JSON of a graph (no 'schema').")
    if value["schema"] not in (SCHEMA, WITH_PENALTIES):
        raise VersionError(
            f"graph: schema {value['schema']!r}; this version of Bakeoff reads up to {WITH_PENALTIES}.\n"
            "Install the version that wrote it, or newer."
        )
    try:
        graph = Graph(
            {name: tuple(map(_size, shape)) for name, shape in value["inputs"].items()},
            tuple(map(_read_node, value["nodes"])),
            {name: Ref(node, index) for name, (node, index) in value["outputs"].items()},
            _read_parameters(value["parameters"], arrays),
            penalties.from_json(value["penalties"]) if value["schema"] == WITH_PENALTIES else (),
        )
        _check(graph)
    except (UnsupportedError, CorruptError):
        raise
    except (BakeoffError, KeyError, TypeError, ValueError, AttributeError) as error:  # msgspec's is a ValueError
        raise CorruptError(f"graph: its JSON doesn't hold together ({error}).") from None
    return graph


def _size(value: Any) -> Size:
    if not (isinstance(value, str) and value.isidentifier()) and not (type(value) is int and value > 0):
        raise CorruptError(f"graph: {value!r} is no dimension of an input; expected a positive integer or a symbol.")
    return dimension_from_json(value)


def _read_node(value: Mapping[str, Any]) -> Node:
    try:
        attributes = page(value["op"]).Attributes
    except UsageError as error:
        raise UnsupportedError(f"graph: {error}") from None
    unknown = set(value["attributes"]) - {field.name for field in fields(attributes)}
    if unknown:
        raise CorruptError(
            f"graph: {value['op']} {value['id']!r} has unknown attributes: {', '.join(sorted(unknown))}."
        )
    slots = {slot: source if isinstance(source, str) else Ref(*source) for slot, source in value["parameters"].items()}
    return Node(
        str(value["id"]),
        value["op"],
        msgspec.convert(value["attributes"], attributes),
        tuple(Ref(str(node), int(index)) for node, index in value["inputs"]),
        slots,
        str(value["path"]),
    )


def _read_parameters(value: Mapping[str, Any], arrays: Mapping[str, Array]) -> dict[str, Parameter]:
    if set(value) != set(arrays):
        missing, extra = sorted(set(value) - set(arrays)), sorted(set(arrays) - set(value))
        raise CorruptError(f"weights: missing {missing[:3]}, not in the graph {extra[:3]}.")
    found = {}
    for path, row in value.items():
        array = arrays[path]
        if list(array.shape) != row["shape"] or array.dtype.name != row["dtype"]:
            raise CorruptError(
                f"weights: {path} is {array.dtype.name} {list(array.shape)}; "
                f"the graph says {row['dtype']} {row['shape']}."
            )
        if row["role"] not in ("weight", "state", "constant") or type(row["trainable"]) is not bool:
            raise CorruptError(f"graph: parameter {path!r} has role {row['role']!r}, trainable {row['trainable']!r}.")
        found[path] = Parameter(path, array, row["role"], row["trainable"])
    return found


def _check(graph: Graph) -> None:
    """Shapes work out, and each node has the parameters that its page asks for."""
    for ref in graph.outputs.values():
        graph.shapes[ref]
    for node in graph.nodes:
        slots = graph.slots(node)
        if set(slots) != set(node.parameters):
            raise CorruptError(
                f"graph: {node.id!r} has slots {sorted(node.parameters)}, {node.op} asks for {sorted(slots)}."
            )
        for slot, source in node.parameters.items():
            found = graph.parameters[source].array.shape if isinstance(source, str) else graph.shapes[source]
            if tuple(found) != slots[slot].shape:
                raise CorruptError(f"graph: {node.id!r} has a {slot} of shape {found}, expected {slots[slot].shape}.")
