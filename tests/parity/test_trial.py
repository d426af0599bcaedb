"""The questions travel whole, and both sides are asked the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bakeoff.conversion import stock
from bakeoff.conversion.questions import loss_of, roles_of, sizes
from bakeoff.graph import Composer, Graph
from bakeoff.graph.telling import revealing
from bakeoff.ops._dimension import Dim
from bakeoff.parity import Trace
from bakeoff.parity.trial import Trial, flat_images, labels


@pytest.fixture(scope="module")
def graph() -> Graph:
    net = Composer((Dim("batch"), 8, 8, 3), seed=0)
    x = net.add("conv2d", "conv", net.input, filters=4, kernel=(3, 3), pad="same")
    x = net.add("batch_norm", "bn", x)
    x = net.add("global_avg_pool", "pool", x)
    return net.finish(net.add("dense", "head", x, units=3))


@pytest.fixture
def trial(graph: Graph) -> Trial:
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    flat = flat_images((8, 8), 3, 0).astype("float64") / 255
    step = images, np.array([0, 1])
    return Trial({"given": images, "flat": flat}, [step, step], (flat, np.arange(4)), "x", roles=roles_of(graph))


def test_a_trial_is_read_as_it_was_written(trial: Trial, tmp_path: Path) -> None:
    trial.save(tmp_path / "trial.npz")
    again = Trial.load(tmp_path / "trial.npz")
    assert (again.predictions["given"] == trial.predictions["given"]).all()
    assert len(again.steps) == 2
    assert again.roles == trial.roles
    assert again.loss == "x"
    assert again.flat is not None
    assert trial.flat is not None
    assert (again.flat[0] == trial.flat[0]).all()


def test_a_rounding_keeps_flat_images_flat(trial: Trial) -> None:
    changed = trial.rounded(0)
    assert changed.flat is not None
    black, white, grey, _ = changed.flat[0]
    assert not black.any()
    assert np.ptp(white) == np.ptp(grey) == 0
    assert 0 < abs(white[0, 0, 0] - 1) < 1e-14
    assert (changed.predictions["flat"] == changed.flat[0]).all()
    assert not np.array_equal(changed.predictions["given"], trial.predictions["given"])


def test_flat_images() -> None:
    black, white, grey, saturated = flat_images((8, 6), 3, 0)
    assert (black.max(), white.min()) == (0, 255)
    assert np.ptp(grey) == 0
    assert set(np.unique(saturated)) == {0, 255}


def test_sizes_are_odd_tall_wide_and_large() -> None:
    asked = sizes((224, 224))
    assert any(height % 2 and width % 2 for height, width in asked)
    assert any(height > width for height, width in asked)
    assert any(width > 512 for height, width in asked)
    assert (224, 224) not in asked


def test_what_a_graph_asks_for(graph: Graph) -> None:
    assert roles_of(graph)["bn.variance"] == "state"
    assert roles_of(graph)["head.kernel"] == "weight"
    net = Composer((Dim("batch"), 8, 8, 3), seed=0)
    x = net.add("global_avg_pool", "pool", net.input)
    assert loss_of(net.finish(net.add("dense", "head", x, units=1))) == "binary_cross_entropy"
    assert set(labels(32, 1, 0)) == {0, 1}


def test_the_biased_variance_is_declared(graph: Graph, trial: Trial) -> None:
    before, batch, m = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 2, 2]), 0.1
    n = trial.steps[0][0].shape[0] * 64
    source = Trace(first={"bn.variance": (1 - m) * before + m * batch})
    found = {"bn.variance": (1 - m) * before + m * batch * (n - 1) / n}
    (node,) = (node for node in graph.nodes if node.op == "batch_norm")
    assert (node.attributes.momentum, node.attributes.variance) == (m, "unbiased")
    state = {"bn.variance": before}
    check = stock.check(source, found, state, graph, trial)
    assert check.passed
    assert check.detail.startswith("declared")
    assert not stock.check(source, source.first, state, graph, trial).passed


def test_telling_weights_hide_nothing(graph: Graph) -> None:
    changed = revealing(graph, graph.arrays())
    assert set(changed) == {"bn.offset", "bn.scale", "conv.bias", "head.bias"}
    assert all(np.ptp(array) > 1e-3 for array in changed.values())
