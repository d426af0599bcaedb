"""How often the source is asked for its noise: more where two draws leave it open, no more where nothing is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from bakeoff.conversion.request import Request
from bakeoff.conversion.session import DRAWS, MOST_DRAWS, Session
from bakeoff.parity.trace import Trace
from bakeoff.parity.trial import Trial


def trace(off: float) -> Trace:
    """Logits that are off by so much of the largest."""
    return Trace({"given": np.array([[1.0, 0.5]]) * (1 + off)})


class Source:
    """A source whose noise grows from draw to draw."""

    def __init__(self, noise: list[float]) -> None:
        self.noise, self.asked = noise, 0

    def call(self, name: str, *, checks: list[str], **_: Any) -> None:
        self.asked += 1
        assert checks == ["logits.given"]


@pytest.mark.parametrize(
    ("off", "noise", "asked", "passed"),
    [
        (1e-10, [], 0, True),  # within the plain limit
        (5e-9, [2e-9, 2e-9], DRAWS, True),
        (5e-9, [1e-9, 1e-9, 1e-9, 2e-9], 4, True),
        (5e-9, [1e-9] * MOST_DRAWS, MOST_DRAWS, False),
        (5e-8, [1e-9, 1e-9], DRAWS, False),  # far away: no noise will do
    ],
)
def test_noise(off: float, noise: list[float], asked: int, passed: bool) -> None:
    session = Session(cast(Request, None), None, None)
    source = Source(noise)
    session.source, session.folder = cast(Any, source), Path("nowhere")
    session.trace = lambda name: trace(noise[int(name.removeprefix("noise"))])  # type: ignore[method-assign]
    checks = session.judged(trace(off), trace(0.0))
    assert all(one.passed for one in checks) == passed
    assert source.asked == asked


@pytest.mark.parametrize(
    ("checks", "predictions", "steps", "flat"),
    [
        (["gradients.training", "statistics.after"], [], 1, False),
        (["losses.flat"], [], 0, True),
        (["logits.batch_1"], ["batch_1"], 0, False),
        (["between_images.telling", "weights.after"], ["given"], 1, False),
    ],
)
def test_noise_is_asked_for_what_is_open(checks: list[str], predictions: list[str], steps: int, flat: bool) -> None:
    pass_ = np.zeros((2, 4, 4, 3)), np.zeros(2)
    whole = Trial(dict.fromkeys(("given", "batch_1", "flat"), pass_[0]), [pass_], pass_)
    found = whole.only(checks)
    assert ([*found.predictions], len(found.steps), found.flat is not None) == (predictions, steps, flat)


@pytest.mark.parametrize(("moved", "decided"), [(0.3, False), (1e-15, True)])
def test_ties_that_rounding_breaks_are_not_decided_and_a_wrong_rule_is(moved: float, decided: bool) -> None:
    """Gradients of flat images are half off; the rebuilt net's own move by that much with a rounding, or stay."""

    def flat(off: float) -> Trace:
        return Trace(losses={"flat": np.ones(1)}, gradients={"flat": {"alpha": np.array([1.0, 1.0 + off])}})

    session = Session(Request("net", "torch", Path("net"), framework="tensorflow"), None, None)
    asked: list[str] = []
    stub = type("Side", (), {"call": lambda _, name, **given: asked.append(given.get("framework", "source"))})()
    session.source = session.target = cast(Any, stub)
    session.folder = Path("nowhere")
    session.trace = lambda name: flat(0.5 + moved if "rebuilt" in name else 0.0)  # type: ignore[method-assign]
    (check,) = (one for one in session.judged(flat(0.5), flat(0.0)) if not one.passed)
    assert (check.name, check.decided) == ("gradients.flat", decided)
    assert asked == ["source"] * DRAWS + ["torch"]
