"""ONNX Runtime computes what the pages mean, from graphs and from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from bakeoff import models
from bakeoff.errors import CorruptError, DataError, UnsupportedError
from bakeoff.graph import Composer, Graph, run
from bakeoff.graph.passes import cut
from bakeoff.ops._dimension import Dim
from bakeoff.runtimes import onnxruntime
from bakeoff.runtimes._onnx_build import to_onnx

SIZES: dict[str, tuple[tuple[int, int], int]] = {
    "mnist_cnn": ((28, 28), 1),
    "mnist_cnn_small": ((28, 28), 1),
    "mnist_mlp": ((28, 28), 1),
    "dense_64": ((28, 28), 1),
    "cifar10_cnn": ((32, 32), 3),
    "cnn_224": ((40, 36), 3),
}


def _images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _same(found: np.ndarray, truth: np.ndarray, tolerance: float) -> None:
    assert found.shape == truth.shape
    assert np.abs(found - truth).max() <= tolerance * np.abs(truth).max()


@pytest.mark.parametrize("name", SIZES)
def test_articles_nets(name: str) -> None:
    size, channels = SIZES[name]
    graph = models.build(name, size, channels, 10)
    images = _images(3, *size, channels)
    _same(onnxruntime.from_graph(graph, threads=1).predict(images), run(graph, images), 1e-5)


def test_float64_in_onnxs_own_reference() -> None:
    graph = models.build("mnist_cnn", (8, 8), 1, 3)
    images = _images(2, 8, 8, 1).astype("float64")
    session = ReferenceEvaluator(to_onnx(graph, dtype="float64"))
    (logits,) = session.run(None, {"input": images.transpose(0, 3, 1, 2)})
    assert logits.dtype == np.float64
    _same(logits, run(graph.astype("float64"), images), 1e-12)
    with pytest.raises(UnsupportedError, match="in this precision"):
        onnxruntime.from_graph(graph.astype("float64"))


def test_lite0_on_one_image() -> None:
    graph = models.build("efficientnet_lite0", (224, 224), 3, 1000)
    images = _images(1, 224, 224, 3)
    logits = onnxruntime.from_graph(graph, threads=1).predict(images)
    _same(logits, run(graph, images), 1e-5)


def test_a_wrong_pad_is_noticed() -> None:
    graph = models.build("mnist_cnn", (28, 28), 1, 10)
    model = to_onnx(graph)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "pads" and list(attribute.ints) == [1, 1, 1, 1]:
                attribute.ints[:] = [0, 1, 2, 1]
    session = onnxruntime.OnnxRuntime(onnxruntime._session(model.SerializeToString(), 1))
    images = _images(2, 28, 28, 1)
    with pytest.raises(AssertionError):
        _same(session.predict(images), run(graph, images), 1e-5)


def test_many_images_are_the_same_as_each_alone() -> None:
    runtime = onnxruntime.from_graph(models.build("mnist_cnn", (28, 28), 1, 10), threads=1)
    images = _images(200, 28, 28, 1)
    together = runtime.predict(images)
    np.testing.assert_allclose(
        together, np.concatenate([runtime.predict(one[None]) for one in images]), rtol=1e-5, atol=1e-6
    )
    assert runtime.predict(images[:0]).shape == (0, 10)


def test_the_model_is_valid_symbolic_and_without_transposes() -> None:
    for name in ("mnist_cnn", "efficientnet_lite0"):
        arguments: dict[str, Any] = {"weights": None} if name == "efficientnet_lite0" else {}
        graph = models.build(name, (32, 32), 3, 4, **arguments)
        model = to_onnx(graph, {"classes": '["a"]'})
        onnx.checker.check_model(model, full_check=True)
        (wanted,), (given,) = model.graph.input, model.graph.output
        assert (wanted.name, given.name) == ("input", "logits")
        assert [d.dim_param or d.dim_value for d in wanted.type.tensor_type.shape.dim] == ["batch", 3, 32, 32]
        assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["batch", 4]
        assert not {"Transpose", "Reshape"} & {node.op_type for node in model.graph.node}
        assert {p.key: p.value for p in model.metadata_props} == {"classes": '["a"]'}
        assert {tensor.name for tensor in model.graph.initializer} >= set(graph.parameters)


def test_free_sizes_stay_free() -> None:
    net = Composer((Dim("batch"), Dim("height"), Dim("width"), 3))
    x = net.add("conv2d", "conv", net.input, filters=4, kernel=(3, 3), stride=(2, 2), pad="same")
    graph = net.finish(net.add("dense", "fc", net.add("global_avg_pool", "pool", x), units=2))
    onnx.checker.check_model(to_onnx(graph), full_check=True)
    runtime = onnxruntime.from_graph(graph, threads=1)
    for size in ((8, 8), (9, 6)):
        images = _images(2, *size, 3)
        _same(runtime.predict(images), run(graph, images), 1e-5)


def test_features_keep_their_name_and_order() -> None:
    graph = cut(models.build("mnist_cnn", (12, 12), 1, 3), "flatten")
    images = _images(2, 12, 12, 1)
    assert to_onnx(graph).graph.output[0].name == "features"
    _same(onnxruntime.from_graph(graph, threads=1).predict(images), run(graph, images), 1e-5)


def test_nodes_called_like_input_and_output() -> None:
    net = Composer((Dim("batch"), 4, 4, 1))
    x = net.add("relu", "logits", net.input)
    x = net.add("dense", "fc", net.add("flatten", "constant", x), units=2)
    graph: Graph = net.finish(net.add("relu", "last", x))
    images = _images(2, 4, 4, 1)
    onnx.checker.check_model(to_onnx(graph), full_check=True)
    _same(onnxruntime.from_graph(graph, threads=1).predict(images), run(graph, images), 1e-5)


def test_other_precisions_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="float16"):
        to_onnx(models.build("dense_64", (4, 4), 1, 2), dtype="float16")


def test_bad_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(DataError, match=r"net\.onnx"):
        onnxruntime.load(path)
    model = to_onnx(models.build("dense_64", (4, 4), 1, 2))
    for data in (b"hello", model.SerializeToString()[:-200]):
        path.write_bytes(data)
        with pytest.raises(CorruptError, match=r"net\.onnx"):
            onnxruntime.load(path)


def test_external_data_is_never_followed(tmp_path: Path) -> None:
    model = to_onnx(models.build("dense_64", (4, 4), 1, 2))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CorruptError, match="not followed"):
        onnxruntime.load(path)
