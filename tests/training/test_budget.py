"""A budget chooses the best recipe that fits, and says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bakeoff.data.sample import write_digits
from bakeoff.errors import UsageError
from bakeoff.training import budget
from bakeoff.training.api import train
from bakeoff.training.loop import cadence
from bakeoff.training.options import Options


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_times(text: str, seconds: float) -> None:
    assert cadence.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "0s", "-1m", "m", "infs", "ten m"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--budget"):
        cadence.seconds_of(text)


@pytest.mark.parametrize(
    ("seconds", "chosen", "seen"),
    [(1000, "photos-best", 1), (50, "photos", 2), (10, "photos-fast", 3), (1, "photos-fast", 3)],
)
def test_the_best_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, chosen: str, seen: int
) -> None:
    write_digits(tmp_path / "digits")
    costs = {"photos-best": 120.0, "photos": 40.0, "photos-fast": 8.0}

    def estimate(name: str, *_: Any) -> budget.Estimate:
        return budget.Estimate(name, costs[name], "measured")

    monkeypatch.setattr(budget, "_estimate", estimate)
    found = budget.plan(tmp_path / "digits", seconds)
    assert (found.name, len(found.estimates)) == (chosen, seen)
    assert found.lines(seconds)[-1] == f"budget of {seconds:.0f} s: {chosen}"


def test_a_recipe_beside_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--budget chooses"):
        train(tmp_path, "mnist-cnn", options=Options(budget="10m"))
