"""The judge's tolerances leave room to fail, and the verdict says what the figures say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bakeoff.compare.judge import Spread, single
from bakeoff.compare.method import stepped
from bakeoff.compare.verdict import verdict
from bakeoff.metrics.paired import paired
from bakeoff.parity.tolerance import MOST
from bakeoff.schemas import StepResult


def trace(logits: float = 1.0, evaluation: float = 1.0) -> dict[str, Any]:
    """A trace in which one array is off by a factor."""
    return {
        "logits": logits * np.array([[1.0, -2.0]]),
        "gradient/kernel": np.array([0.5]),
        "losses": np.array([0.7, 0.6]),
        "state/mean": np.array([0.1]),
        "evaluation": evaluation * np.array([[2.0, -1.0]]),
    }


def failed(found: dict[str, Any], spread: Spread) -> set[str]:
    return {check.name for check in single("torch", found, spread.reference["logits"], spread) if not check.passed}


def test_a_framework_does_not_set_its_own_tolerance() -> None:
    wrong = trace(evaluation=1.01)  # off in float32, and as far off from nudged weights: no noise
    assert failed(wrong, Spread([wrong, trace()], [(wrong, wrong)], trace())) == {"evaluation.torch"}
    assert failed(wrong, Spread([trace(), wrong], [], trace())) == {"evaluation.torch"}


def test_noise_widens_a_tolerance() -> None:
    found = trace(evaluation=1 + 2e-4)
    assert failed(found, Spread([found, trace()], [(found, found)], trace())) == {"evaluation.torch"}
    assert failed(found, Spread([found, trace()], [(trace(evaluation=1 - 1e-3), trace())], trace())) == set()
    assert failed(found, Spread([found, trace(evaluation=1 - 1e-4)], [(found, found)], trace())) == set()  # all are off


def test_no_noise_lets_everything_pass() -> None:
    found = trace(evaluation=-1.0)
    spread = Spread([trace()], [(trace(evaluation=-3.0), trace())], trace())
    assert all(check.tolerance <= MOST for check in single("torch", found, spread.reference["logits"], spread))
    assert failed(found, spread) == {"evaluation.torch"}


@pytest.mark.parametrize(
    ("accuracies", "said"), [((0.994, 1.0), "99.4 % to 100.0 %"), ((0.1, 0.095), "9.5 % to 10.0 %")]
)
def test_the_verdict_ranges_from_low_to_high(accuracies: tuple[float, float], said: str) -> None:
    measured = {
        name: {"step_ms": 1.0, "accuracy": accuracy}
        for name, accuracy in zip(("torch", "tensorflow"), accuracies, strict=True)
    }
    same = np.array([True, False])
    assert f"({said})" in verdict(True, 5, measured, {"torch": paired(same, same)})


def test_an_accumulated_trace_takes_the_calls_of_training() -> None:
    calls: list[Any] = []

    def gradients(x: Any, y: Any) -> StepResult:
        calls.append(len(y))
        return StepResult(2.0 * len(y), len(y))

    net: Any = SimpleNamespace(gradients=gradients, apply=lambda rate: calls.append(rate))
    sizes = [np.zeros(n) for n in (4, 4, 3)]
    losses = stepped(net, sizes, sizes, lambda step: 0.1 * (step + 1), 2)
    assert calls == [4, 4, 0.1, 3, 0.2]
    assert losses.tolist() == [2.0, 2.0]
