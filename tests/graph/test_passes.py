"""Passes give new graphs that mean what they say, and leave the old ones alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bakeoff import models
from bakeoff.errors import BakeoffError, UnsupportedError, UsageError
from bakeoff.graph import Graph, run
from bakeoff.graph import passes as p
from bakeoff.graph.compose import Composer
from bakeoff.graph.graph import Parameter, Ref
from bakeoff.graph.interpreter import trace
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Mode


@pytest.fixture
def net() -> Graph:
    return models.build("mnist_cnn", (8, 8), 1, 3)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)


def test_cut_averages_a_image_and_drops_the_rest(net: Graph, images: np.ndarray) -> None:
    features = p.cut(net, "relu1")
    assert features.output_shape == (Dim("batch"), 4)
    assert [node.id for node in features.nodes] == ["conv1", "bn1", "relu1", "pool"]
    assert set(features.parameters) == {path for path in net.parameters if path.startswith(("conv1", "bn1"))}
    expected = trace(net, images)[Ref("relu1")].mean((1, 2))
    np.testing.assert_allclose(run(features, images), expected, rtol=1e-6, atol=1e-7)


def test_cut_takes_a_vector_as_it_is(net: Graph, images: np.ndarray) -> None:
    features = p.cut(net, "flatten")
    np.testing.assert_array_equal(run(features, images), trace(net, images)[Ref("flatten")])


def test_cut_names_the_nearest_node(net: Graph) -> None:
    with pytest.raises(UsageError, match="no node 'relu3'; did you mean 'relu"):
        p.cut(net, "relu3")


def test_head_is_a_dense_layer_on_the_features(net: Graph, images: np.ndarray) -> None:
    features = p.cut(net, "pool2")
    graph = p.with_head(features, 7, dropout=0.5)
    assert dict(graph.outputs) == {"logits": Ref("head")}
    assert [node.id for node in graph.nodes[-2:]] == ["head_dropout", "head"]
    kernel = graph.parameters["head.kernel"].array
    np.testing.assert_allclose(run(graph, images), run(features, images) @ kernel, rtol=1e-5, atol=1e-6)
    assert (p.with_head(features, 7, seed=1).parameters["head.kernel"].array != kernel).any()


def test_head_takes_weights_and_copies_them(net: Graph) -> None:
    features = p.cut(net, "pool2")
    kernel = np.ones((4, 2), np.float32)
    graph = p.with_head(features, 2, weights={"kernel": kernel, "bias": np.ones(2, np.float32)})
    kernel[:] = 0
    assert (graph.parameters["head.kernel"].array == 1).all()
    with pytest.raises(BakeoffError, match=r"head\.kernel has shape"):
        p.with_head(features, 3, weights={"kernel": kernel})
    with pytest.raises(BakeoffError, match="another name"):
        p.with_head(graph, 2)
    with pytest.raises(UsageError, match="at least 1"):
        p.with_head(features, 0)


def test_without_noise_needs_no_masks() -> None:
    net = models.build("mnist_mlp", (4, 4), 1, 3)
    images = np.ones((2, 4, 4, 1), np.float32)
    np.testing.assert_array_equal(run(p.without_noise(net), images, Mode(train=True)), run(net, images))
    assert [node.attributes.rate for node in net.nodes if node.op == "dropout"] == [0.2]


def test_without_noise_a_value_of_training_alone_is_that_of_the_prediction() -> None:
    net = Composer((Dim("batch"), 4))
    mask = net.add("draw", "mask", net.input, rate=0.5)
    x = net.add("in_training", "one", net.add("mul", "masked", net.input, mask), net.input)
    x = net.add("dropout", "drop", net.add("dense", "dense", x, units=4), rate=0.5)
    graph = net.finish(net.add("in_training", "two", x, net.add("relu", "relu", x)))
    images = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    quiet = p.without_noise(graph)
    np.testing.assert_array_equal(run(quiet, images, Mode(train=True)), run(graph, images))
    assert [node.id for node in quiet.nodes] == ["dense", "drop", "relu"]
    first = p.without_noise(graph, {"mask", "one"})
    assert [node.id for node in first.nodes if node.draws or node.op == "in_training"] == ["drop", "two"]


def test_prune_keeps_passengers_and_can_make_them(net: Graph) -> None:
    unused_one = Parameter("aux.kernel", np.zeros(3, np.float32))
    carrying = replace(net, parameters={**net.parameters, "aux.kernel": unused_one})
    shorter = replace(carrying, outputs={"features": Ref("pool1")})
    assert "aux.kernel" in p.prune(shorter).parameters
    assert "linear.kernel" not in p.prune(shorter).parameters
    assert "linear.kernel" in p.prune(shorter, keep_passengers=True).parameters
    assert len(p.prune(shorter, keep_passengers=True).nodes) == 4


def test_a_head_needs_a_vector(net: Graph) -> None:
    with pytest.raises(UnsupportedError, match="Cut it first"):
        p.with_head(replace(net, outputs={"x": Ref("pool1")}), 2)
