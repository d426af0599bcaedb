"""The questions travel whole, and both sides are asked the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bakeoff.conversion import stock
from bakeoff.conversion.questions import loss_of, roles_of, sizes, tied_of
from bakeoff.graph import Composer, Graph
from bakeoff.graph.telling import revealing
from bakeoff.ops._dimension import Dim
from bakeoff.parity import Trace
from bakeoff.parity.draws import still
from bakeoff.parity.judge import double
from bakeoff.parity.trial import Trial, _tied, flat_images, labels, uneven_labels
from bakeoff.schemas import Drawn


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
    roles, tied = roles_of(graph), tied_of(graph)
    return Trial({"given": images, "flat": flat}, [step, step], (flat, np.arange(4)), "x", roles=roles, tied=tied)


def test_a_trial_is_read_as_it_was_written(trial: Trial, tmp_path: Path) -> None:
    trial.save(tmp_path / "trial.npz")
    again = Trial.load(tmp_path / "trial.npz")
    assert (again.predictions["given"] == trial.predictions["given"]).all()
    assert len(again.steps) == 2
    assert (again.roles, again.tied) == (trial.roles, trial.tied)
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


def test_ties_behind_a_norm(graph: Graph) -> None:
    """A norm's scale and offset are 0 where its layer's kernel is; a single channel stays, or nothing would learn."""
    assert tied_of(graph) == ["bn.offset", "bn.scale", "conv.bias", "conv.kernel", "head.bias", "head.kernel"]
    assert _tied(np.ones((2, 4))).tolist() == [[1, 0, 1, 0]] * 2
    assert _tied(np.ones((2, 1))).all()
    assert _tied(np.ones(())) == 1


class Drawing:
    """A net that draws: now and then the same, always the same, or hardly ever anything."""

    given: object = None

    def __init__(self) -> None:
        self.passes = 0

    def run(self) -> None:
        """A pass."""
        assert self.given == {}
        self.passes += 1
        draw = np.random.default_rng(self.passes)
        alike = np.random.default_rng(0).random((4, 8)) > 0.3
        self.drawn = {
            "live": Drawn("bernoulli", draw.random((4, 8)) > 0.3, 0.3),
            "frozen": Drawn("bernoulli", alike, 0.3),
            "rare": Drawn("bernoulli", np.ones((4, 1)), 0.02),
            "off": Drawn("bernoulli", np.ones((4, 8)), 0.0),
            "uniform": Drawn("uniform", alike * 0.5),
        }


def test_a_generator_that_stands_still() -> None:
    net = Drawing()
    assert set(still(net, net.run)) == {"frozen", "uniform"}
    assert net.given is None
    assert net.passes <= 4
    draws = {"step 0": net.drawn}
    checks = double(Trace(draws=draws, still=still(net, net.run)), Trace(draws=draws))
    (fresh,) = [one for one in checks if not one.passed]
    assert (fresh.name, fresh.difference) == ("draws.fresh", 2)
    assert "frozen, uniform" in fresh.detail


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_labels_of_flat_images_are_never_even(classes: int) -> None:
    """A net whose logits are all 0 has a gradient: of two classes, twice each, it would be 0."""
    for seed in range(20):
        counts = np.bincount(uneven_labels(4, classes, seed), minlength=max(classes, 2))
        assert np.ptp(counts) > 1
