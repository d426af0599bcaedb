"""Stock nets: a `.keras` file that plain Keras opens, with no class of ours and no long lists in its config.json."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_layouts
import test_ownership
from harness import case_inputs, native, one_node, relative

from bakeoff.graph import Graph, run

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]  # of h5py

OWN = ("strided_and_dilated",)  # Keras itself refuses both at once
CASES = [
    ("gelu", "many, tanh"),
    ("pad", "another value, uneven"),
    ("conv2d", "grouped, dilated"),
    ("take", "one place"),
]
GRAPHS = {
    **{name: make for name, (make, *_) in test_layouts.NETS.items()},
    **{name: make for name, make in test_ownership.NETS.items() if not name.endswith(OWN)},
}


def written(model: Any, path: Path) -> str:
    """The config.json of a model's file."""
    model.save(str(path))
    return zipfile.ZipFile(path).read("config.json").decode()


def longest_list(value: Any) -> int:
    """Of the lists of numbers in JSON."""
    if isinstance(value, dict):
        return max(map(longest_list, value.values()), default=0)
    if not isinstance(value, list):
        return 0
    numbers = sum(isinstance(item, int | float) for item in value)
    return max(numbers, sum(map(longest_list, value)) if numbers == 0 else 0)


@pytest.mark.parametrize("name", GRAPHS)
def test_plain_keras_opens_the_file(framework: str, name: str, tmp_path: Path) -> None:
    import keras

    graph: Graph = GRAPHS[name]()
    built = native(framework, graph, "float32", batch_norm="stock")
    config = written(built.built.model, tmp_path / "net.keras")
    assert "bakeoff" not in config
    assert longest_list(json.loads(config)["config"]["layers"]) < 300
    x = np.random.default_rng(0).normal(size=(2, *graph.input_shape[1:])).astype("float32")
    again = keras.saving.load_model(tmp_path / "net.keras")
    assert np.array_equal(np.array(again(x)), built.run([x]).output)
    assert relative(built.run([x]).output, run(graph, x)) <= 2e-5
    assert all(np.array_equal(array, graph.parameters[path].array) for path, array in built.arrays().items())


@pytest.mark.parametrize(("op", "name"), CASES)
def test_a_page_needs_no_class_of_ours(framework: str, op: str, name: str, tmp_path: Path) -> None:
    case, inputs = case_inputs(op, name, "float32")
    graph = one_node(op, case, "float32")
    built = native(framework, graph, "float32", batch_norm="stock")
    assert "bakeoff" not in written(built.built.model, tmp_path / "net.keras")
    cotangent = np.ones_like(run(graph, inputs[0]))
    ours, stock = (net.run(inputs, True, cotangent) for net in (native(framework, graph, "float32"), built))
    assert relative(stock.output, ours.output) <= 1e-5
    assert all(relative(stock.parameters[path], ours.parameters[path]) <= 1e-5 for path in ours.parameters)
