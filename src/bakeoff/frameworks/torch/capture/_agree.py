"""Whether two graphs compute the same: by structure, never by numbers.

A training pass is captured, and so is the prediction; once noise is silenced and batch norm uses its running
statistics, both have to be one and the same graph. The same holds for two sizes of images, if a net takes any.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import Any

import numpy as np

from bakeoff.graph.graph import Graph, Node, Ref

NOTHING_LEFT = ("dropout", "drop_path")  # of these in prediction


def same_prediction(training: Graph, prediction: Graph) -> bool:
    """Whether the graph of a training pass predicts as that of the prediction does."""
    return fingerprint(training, predicting=True) == fingerprint(prediction, predicting=True)


def same_attributes(first: Graph, second: Graph) -> bool:
    """Whether two graphs differ in nothing but the size of their input."""
    return fingerprint(first) == fingerprint(second)


def fingerprint(graph: Graph, *, predicting: bool = False) -> str:
    """What the graph computes from its input and its parameters, whatever its nodes are called."""
    marks: dict[Ref, str] = {Ref(name): name for name in graph.inputs}
    for node in graph.nodes:
        if predicting and node.op in NOTHING_LEFT:
            marks[Ref(node.id)] = marks[node.inputs[0]]
            continue
        mark = _digest(_described(graph, node, marks, predicting))
        count = _outputs(graph, node)
        marks |= {Ref(node.id, index): f"{mark}.{index}" for index in range(count)}
    return _digest("|".join(marks[ref] for ref in graph.outputs.values()))


def _described(graph: Graph, node: Node, marks: dict[Ref, str], predicting: bool) -> str:
    attributes = _predicting(node.attributes) if predicting else node.attributes
    slots = [f"{slot}={_slot(graph, node.parameters[slot], marks)}" for slot in sorted(node.parameters)]
    return repr((node.op, attributes, [marks[ref] for ref in node.inputs], slots))


def _slot(graph: Graph, source: str | Ref, marks: dict[Ref, str]) -> str:
    if isinstance(source, Ref):
        return marks[source]
    parameter = graph.parameters[source]
    if parameter.role != "constant":
        return source
    array = np.ascontiguousarray(parameter.array)
    return f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"


def _predicting(attributes: Any) -> Any:
    """Without noise, on running statistics."""
    names = {field.name for field in fields(attributes)}
    wanted: dict[str, Any] = {"statistics": "frozen", "rate": 0.0}
    return replace(attributes, **{key: value for key, value in wanted.items() if key in names})


def _outputs(graph: Graph, node: Node) -> int:
    shape = node.page.shape(node.attributes, *graph.input_shapes(node))
    return len(shape) if shape and isinstance(shape[0], tuple) else 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
