"""A graph survives JSON, and JSON that doesn't hold together is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bakeoff import models
from bakeoff.errors import CorruptError, UnsupportedError, VersionError
from bakeoff.graph import Composer, Graph, Ref
from bakeoff.graph.serialize import from_json, to_json
from bakeoff.graph.trainable import freeze
from bakeoff.ops._dimension import Dim


def _through(graph: Graph) -> Graph:
    return from_json(json.loads(json.dumps(to_json(graph))), graph.arrays())


@pytest.mark.parametrize("name", ["mnist_cnn", "mnist_mlp", "efficientnet_lite0"])
def test_round_trip(name: str) -> None:
    arguments: dict[str, Any] = {"weights": None} if name == "efficientnet_lite0" else {}
    graph = freeze(models.build(name, (32, 32), 1, 3, **arguments), ["backbone"])
    back = _through(graph)
    assert (back.nodes, dict(back.outputs), dict(back.inputs)) == (graph.nodes, dict(graph.outputs), dict(graph.inputs))
    assert list(back.parameters) == list(graph.parameters)
    for path, parameter in graph.parameters.items():
        other = back.parameters[path]
        assert (other.role, other.trainable) == (parameter.role, parameter.trainable)
        np.testing.assert_array_equal(other.array, parameter.array)
    assert to_json(back) == to_json(graph)


def _set(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(value: Any) -> None:
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (_set("schema", to=99), VersionError, "schema 99"),
        (_set("nodes", 0, "op", to="conv3d"), UnsupportedError, "conv3d"),
        (_set("nodes", 0, "attributes", "kernal", to=3), CorruptError, "unknown attributes: kernal"),
        (_set("nodes", 0, "attributes", "kernel", to="three"), CorruptError, "hold together"),
        (_set("nodes", 0, "attributes", "kernel", to=[3]), CorruptError, "hold together"),
        (_set("nodes", 0, "attributes", "filters", to=5), CorruptError, "has a kernel of shape"),
        (_set("nodes", 0, "inputs", to=[["nowhere", 0]]), CorruptError, "nowhere"),
        (_set("nodes", 0, "parameters", to={}), CorruptError, "has slots"),
        (_set("nodes", to=None), CorruptError, "hold together"),
        (_set("outputs", to={"logits": ["nowhere", 0]}), CorruptError, "hold together"),
        (_set("inputs", "input", to=["batch", "x y", 3.5, 1]), CorruptError, "no dimension"),
        (_set("parameters", "conv1.kernel", "shape", to=[1]), CorruptError, "conv1.kernel"),
        (_set("parameters", "conv1.kernel", "role", to="captain"), CorruptError, "captain"),
        (_set("parameters", "conv9.kernel", to={}), CorruptError, r"missing \['conv9.kernel'\]"),
    ],
)
def test_damage_is_named(change: Any, error: type[Exception], says: str) -> None:
    graph = models.build("mnist_cnn", (8, 8), 1, 3)
    value = json.loads(json.dumps(to_json(graph)))
    change(value)
    with pytest.raises(error, match=says):
        from_json(value, graph.arrays())


def test_symbols_in_attributes_and_tables_of_integers_survive() -> None:
    c = Composer((Dim("batch"), 4, 4, 2))
    x = c.add("reshape", "windows", c.input, shape=(2 * Dim("batch"), 8, 2))
    x = c.add("take", "chosen", x, axis=1, size=(2, 3), weights={"indices": np.arange(6).reshape(2, 3)})
    c.add("split", "parts", x, sizes=(1, 1), axis=-1)
    x = c.add("reshape", "again", Ref("parts", 1), shape=(Dim("batch"), 12))
    graph = c.finish(c.add("pad_axes", "wider", x, pads=((0, 0), (1, 2))))
    back = _through(graph)
    assert back.nodes == graph.nodes
    assert back.output_shape == graph.output_shape == (Dim("batch"), 15)
    assert back.parameters["chosen.indices"].role == "constant"
    assert back.arrays()["chosen.indices"].dtype == np.int64


def test_what_is_no_graph_is_refused() -> None:
    for value in ({}, [], None, "graph"):
        with pytest.raises(CorruptError, match="not the JSON of a graph"):
            from_json(value, {})
