"""Each check of a certificate fails when what it looks at is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.conversion import judging, tracing
from bakeoff.graph import Composer, Graph
from bakeoff.ops._dimension import Dim
from bakeoff.schemas import Check


@pytest.fixture(scope="module")
def graph() -> Graph:
    net = Composer((Dim("batch"), 8, 8, 3), seed=0)
    x = net.add("conv2d", "conv", net.input, filters=4, kernel=(3, 3), pad="same")
    x = net.add("batch_norm", "bn", x)
    x = net.add("global_avg_pool", "pool", x)
    return net.finish(net.add("dense", "head", x, units=3))


@pytest.fixture
def trace(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 3))
    found = {f"float64.{name}": logits.copy() for name in ("logits", "telling", "second_batch")}
    found |= {f"float32.{name}": logits.astype("float32") for name in ("logits", "telling")}
    for path, parameter in graph.parameters.items():
        array = rng.normal(size=parameter.array.shape)
        found[f"gradient/{path}"] = array
        found[f"after/{path}"] = array + 1
        found[f"first/{path}"] = array + 2
    found["losses"] = np.array([1.0, 0.9, 0.8, 0.7])
    return found


def judged(source: dict[str, np.ndarray], target: dict[str, np.ndarray], graph: Graph) -> dict[str, Check]:
    checks = judging.forward(source, target, {}) + judging.training(source, target, graph)
    return {check.name: check for check in checks}


def test_the_same_passes(trace: dict[str, np.ndarray], graph: Graph) -> None:
    checks = judged(trace, trace, graph)
    assert all(check.passed for check in checks.values())
    assert {"logits.float64", "logits.labels", "telling.between_pictures", "gradients", "statistics"} <= set(checks)


@pytest.mark.parametrize(
    ("key", "size", "noticed"),
    [
        ("float64.logits", 1e-7, "logits.float64"),
        ("float64.second_batch", 1e-7, "second_batch.float64"),
        ("float64.telling", 1e-7, "telling.between_pictures"),
        ("float32.logits", 1e-2, "logits.float32"),
        ("gradient/conv.kernel", 1e-3, "gradients"),
        ("after/bn.variance", 1e-3, "statistics"),
        ("after/head.bias", 1e-3, "weights"),
        ("losses", 1e-4, "losses"),
    ],
)
def test_a_difference_is_noticed(
    key: str, size: float, noticed: str, trace: dict[str, np.ndarray], graph: Graph
) -> None:
    wrong = {name: array.copy() for name, array in trace.items()}
    wrong[key].flat[0] += size * np.abs(wrong[key]).max()
    checks = judged(trace, wrong, graph)
    assert not checks[noticed].passed
    lost = {name: array for name, array in trace.items() if name != key or key.startswith("float")}
    if key.startswith("gradient/"):
        assert not judged(trace, lost, graph)["gradients"].passed


def test_what_is_noise_to_the_source_passes_but_not_everything(trace: dict[str, np.ndarray], graph: Graph) -> None:
    def changed(size: float) -> dict[str, np.ndarray]:
        wrong = {name: array.copy() for name, array in trace.items()}
        wrong["after/head.bias"][0] += size * np.abs(wrong["after/head.bias"]).max()
        return wrong

    def weights(size: float, noise: float) -> Check:
        checks = judging.training(trace, changed(size), graph, changed(noise))
        return next(check for check in checks if check.name == "weights")

    assert weights(3e-4, 2e-4).passed
    assert not weights(3e-3, 2e-4).passed
    assert not weights(0.5, 0.5).passed


def test_swapped_labels_and_nan_are_noticed(trace: dict[str, np.ndarray], graph: Graph) -> None:
    wrong = {**trace, "float64.logits": trace["float64.logits"][:, ::-1]}
    assert not judged(trace, wrong, graph)["logits.labels"].passed
    wrong = {**trace, "losses": trace["losses"] * np.nan}
    assert not judged(trace, wrong, graph)["losses"].passed


def test_a_net_that_ignores_its_input_proves_nothing(trace: dict[str, np.ndarray], graph: Graph) -> None:
    blind = {**trace, "float64.telling": np.ones((4, 3))}
    assert not judged(blind, blind, graph)["telling.between_pictures"].passed


def test_training_without_any_gradient_proves_nothing(trace: dict[str, np.ndarray], graph: Graph) -> None:
    flat = {key: array * 0 if key.startswith("gradient/") else array for key, array in trace.items()}
    assert not judged(flat, flat, graph)["gradients"].passed


def test_nan_where_no_gradient_is_expected_is_noticed(trace: dict[str, np.ndarray], graph: Graph) -> None:
    expected = {**trace, "gradient/conv.bias": trace["gradient/conv.bias"] * 0}
    wrong = {**expected, "gradient/conv.bias": expected["gradient/conv.bias"] * np.nan}
    assert not judged(expected, wrong, graph)["gradients"].passed


def test_a_single_logit_is_trained_as_one_of_two_classes() -> None:
    net = Composer((Dim("batch"), 8, 8, 3), seed=0)
    x = net.add("global_avg_pool", "pool", net.input)
    assert tracing.loss_of(net.finish(net.add("dense", "head", x, units=1))) == "binary_cross_entropy"
    assert set(tracing.labels(32, 1, 0)) == {0, 1}


def test_counts_and_passengers() -> None:
    count = {"parameters": 10, "trainable": 8}
    assert all(check.passed for check in judging.counts(count, count))
    assert not judging.counts(count, {"parameters": 10, "trainable": 7})[1].passed


def test_the_biased_variance_is_declared(graph: Graph) -> None:
    before, batch, n, m = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 2, 2]), 100, 0.1
    source = {"first/bn.variance": (1 - m) * before + m * batch}
    target = {"first/bn.variance": (1 - m) * before + m * batch * (n - 1) / n}
    (node,) = (node for node in graph.nodes if node.op == "batch_norm")
    assert (node.attributes.momentum, node.attributes.variance) == (m, "unbiased")
    cells, state = {"bn.variance": n}, {"bn.variance": before}
    found = judging.stock(source, target, state, graph, cells)
    assert found.passed
    assert found.detail.startswith("declared")
    assert not judging.stock(source, source, state, graph, cells).passed


def test_telling_weights_hide_nothing(graph: Graph) -> None:
    arrays = graph.arrays()
    changed = tracing.revealing(graph, arrays)
    assert set(changed) == {"bn.offset", "bn.scale", "conv.bias", "head.bias"}
    assert all(np.ptp(array) > 1e-3 for array in changed.values())
