"""Each check fails when what it looks at is wrong, and noise excuses no more than it explains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.parity import Trace, from_json, judge, to_json
from bakeoff.parity.noise import Spread, rounded
from bakeoff.parity.tolerance import FLOAT64, UNEXPLAINED
from bakeoff.schemas import Certificate, Check

PATHS = ("conv.kernel", "bn.scale", "head.kernel", "head.bias")


def answers(seed: int = 0) -> Trace:
    rng = np.random.default_rng(seed)

    def arrays() -> dict[str, np.ndarray]:
        return {path: rng.normal(size=(3, 4)) for path in PATHS}

    return Trace(
        logits={name: rng.normal(size=(4, 3)) for name in ("given", "telling", "batch_1", "flat")},
        losses={"training": np.array([1.0, 0.9, 0.8, 0.7]), "flat": np.array([1.1])},
        gradients={"training": arrays(), "flat": arrays()},
        statistics={"bn.mean": rng.normal(size=4)},
        weights=arrays(),
    )


def wrong(trace: Trace, where: str, size: float) -> Trace:
    """One number off by a share of its array's largest; `where` as logits/given or gradients/training/conv.kernel."""
    field, key, *path = where.split("/")
    group = dict(getattr(trace, field))
    array = (group[key][path[0]] if path else group[key]).copy()
    array.flat[0] += size * np.abs(array).max()
    group[key] = {**group[key], path[0]: array} if path else array
    return replace(trace, **{field: group})


def judged(found: Trace, reference: Trace, *noise: Trace) -> dict[str, Check]:
    return {check.name: check for check in judge.double(found, reference, noise)}


def test_the_same_passes() -> None:
    checks = judged(answers(), answers())
    assert all(check.passed for check in checks.values())
    assert {"logits.given", "labels.given", "between_images.telling", "logits.batch_1", "gradients.flat"} <= set(checks)
    assert {"losses.training", "statistics.after", "weights.after"} <= set(checks)


@pytest.mark.parametrize(
    ("where", "noticed"),
    [
        ("logits/given", "logits.given"),
        ("logits/batch_1", "logits.batch_1"),
        ("logits/telling", "logits.telling"),
        ("gradients/training/conv.kernel", "gradients.training"),
        ("gradients/flat/head.bias", "gradients.flat"),
        ("losses/training", "losses.training"),
        ("losses/flat", "losses.flat"),
        ("statistics/bn.mean", "statistics.after"),
        ("weights/head.bias", "weights.after"),
    ],
)
def test_a_difference_above_the_limit_is_noticed(where: str, noticed: str) -> None:
    failed = {
        name for name, check in judged(wrong(answers(), where, 2 * FLOAT64), answers()).items() if not check.passed
    }
    assert failed - {f"between_images.{where.split('/')[1]}"} == {noticed}
    assert all(check.passed for check in judged(wrong(answers(), where, FLOAT64 / 2), answers()).values())


def test_what_one_side_lacks_is_noticed() -> None:
    full = answers()
    for part in ("logits", "losses", "gradients"):
        less = dict(getattr(full, part))
        del less[next(iter(less))]
        assert not all(check.passed for check in judge.double(replace(full, **{part: less}), full))
    fewer = {path: array for path, array in full.weights.items() if path != "head.bias"}
    for found, reference in ((replace(full, weights=fewer), full), (full, replace(full, weights=fewer))):
        check = judged(found, reference)["weights.after"]
        assert not check.passed
        assert "head.bias" in check.detail


def test_noise_explains_what_is_no_larger_and_up_to_a_limit() -> None:
    def weights(size: float, noise: float) -> Check:
        where = "weights/head.bias"
        return judged(wrong(answers(), where, size), answers(), wrong(answers(), where, noise))["weights.after"]

    assert weights(1e-7, 5e-8).passed
    assert not weights(1e-7, 1e-9).passed
    assert weights(1e-7, 1e-9).decided
    unclear = weights(3 * UNEXPLAINED, 2 * UNEXPLAINED)
    assert not unclear.passed
    assert not unclear.decided
    assert "not decided" in unclear.detail
    assert weights(UNEXPLAINED / 2, 2 * UNEXPLAINED).passed
    assert not weights(0.5, UNEXPLAINED).passed
    assert weights(0.5, UNEXPLAINED).decided


def test_noise_of_one_parameter_is_no_excuse_for_another() -> None:
    found = wrong(answers(), "gradients/training/conv.kernel", 1e-7)
    noise = wrong(answers(), "gradients/training/head.bias", 1e-7)
    assert not judged(found, answers(), noise)["gradients.training"].passed


def test_noise_of_late_steps_is_no_excuse_for_the_first() -> None:
    long = replace(answers(), losses={"training": np.linspace(1, 0.5, 8)})
    noisy, early = (replace(long, losses={"training": long.losses["training"].copy()}) for _ in range(2))
    noisy.losses["training"][7] += 1e-7
    early.losses["training"][1] += 1e-7
    assert not judged(early, long, noisy)["losses.training"].passed
    assert judged(noisy, long, noisy)["losses.training"].passed


def test_what_has_no_gradient_in_exact_arithmetic_is_held_against_the_largest() -> None:
    def bias(size: float) -> Trace:
        gradients = {**answers().of("training"), "bn.scale": np.full(3, size)}
        return replace(answers(), gradients={"training": gradients})

    assert judged(bias(3e-17), bias(-1e-16))["gradients.training"].passed
    assert not judged(bias(1e-6), bias(-1e-16))["gradients.training"].passed
    assert not judged(bias(np.nan), bias(0.0))["gradients.training"].passed


def test_swapped_labels_and_nan_are_noticed() -> None:
    full = answers()
    swapped = replace(full, logits={**full.logits, "given": full.logits["given"][:, ::-1]})
    assert not judged(swapped, full)["labels.given"].passed
    lost = replace(full, losses={**full.losses, "training": full.losses["training"] * np.nan})
    assert not judged(lost, full)["losses.training"].passed


def test_a_net_that_does_nothing_proves_nothing() -> None:
    blind = replace(answers(), logits={**answers().logits, "telling": np.ones((4, 3))})
    one = judged(blind, blind)["between_images.telling"]
    assert (one.passed, one.decided) == (False, False)
    assert judge.sensitivity(blind).detail == "all images give the same logits"
    still = replace(answers(), gradients={"training": {path: np.zeros(3) for path in PATHS}})
    assert not judge.sensitivity(still).passed


def test_float32_is_held_against_the_sources_own_error() -> None:
    exact = answers()
    single = Trace(logits={"given": exact.logits["given"].astype("float32")})
    assert all(one.passed for one in judge.logits(single, Spread([single], [], exact)))
    off = wrong(single, "logits/given", 1e-3)
    assert not judge.logits(off, Spread([single], [], exact))[0].passed
    assert judge.logits(off, Spread([off], [], exact))[0].passed


def test_counts() -> None:
    count = {"parameters": 10, "trainable": 8}
    assert all(check.passed for check in judge.counts(count, count))
    assert not judge.counts(count, {"parameters": 10, "trainable": 7})[1].passed


def test_the_first_layer_that_differs() -> None:
    class Layer:
        def __init__(self, path: str) -> None:
            self.path = path

    layers: list[Any] = [Layer(name) for name in "abc"]
    expected = {name: np.ones(3) for name in "abc"}
    found = judge.first_apart(layers, {**expected, "b": np.full(3, 1.1), "c": np.zeros(3)}, expected)
    assert found is not None
    assert found[0].path == "b"
    assert judge.first_apart(layers, expected, expected) is None
    found = judge.first_apart(layers, {**expected, "a": np.ones((3, 1)), "c": np.zeros(3)}, expected)
    assert found is not None
    assert found[0].path == "c", "a layer of another shape is another value"


def test_a_trace_is_read_as_it_was_written(tmp_path: Path) -> None:
    answers().save(tmp_path / "trace.npz")
    again = Trace.load(tmp_path / "trace.npz")
    assert all(check.difference == 0 for check in judge.double(again, answers()))


def test_what_was_not_decided_stays_so_in_json() -> None:
    check = Check("weights.after", 1e-5, 1e-6, False, "not decided", decided=False)
    again = from_json(to_json(Certificate((check,))))
    assert again.checks == (check,)
    assert not again.passed


def test_a_rounding_leaves_zeros_and_whole_numbers() -> None:
    arrays = {"a": np.array([0.0, 1.0]), "n": np.array([1, 2])}
    changed = rounded(arrays)
    assert changed["a"][0] == 0
    assert 0 < abs(changed["a"][1] - 1) < 1e-14
    assert changed["n"] is arrays["n"]
    assert not np.array_equal(rounded(arrays, 1)["a"], changed["a"])
