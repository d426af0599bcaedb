"""A budget that is over ends what runs, and nothing else; what somebody else asked for is theirs."""

from __future__ import annotations

import time

import pytest

from bakeoff.comparison.deadline import Deadline
from bakeoff.errors import Cancelled
from bakeoff.workers.channel import Reporter


def deadline(left: float | None) -> tuple[Deadline, Reporter, list[str]]:
    said: list[str] = []
    reporter = Reporter(lambda message: said.append(message["text"]))
    return Deadline(None if left is None else time.monotonic() + left, reporter, reporter.cancel), reporter, said


def works(reporter: Reporter, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        reporter.check("between two steps")
        time.sleep(0.005)


def stopped_by(reporter: Reporter, code: int) -> None:
    reporter.cancel(code)
    works(reporter, 5)


def test_what_ends_in_time_is_left_alone() -> None:
    found, reporter, said = deadline(5)
    with found.within("the trainings"):
        works(reporter, 0.02)
    assert (found.ended, said, reporter.cancelled.is_set()) == ({}, [], False)


def test_without_a_budget_there_is_no_end() -> None:
    found, reporter, _ = deadline(None)
    with found.within("the trainings", reserve=1e9):
        works(reporter, 0.02)
    assert found.ended == {}


@pytest.mark.parametrize(("left", "reserve"), [(0.05, 0.0), (60.0, 59.95), (-3.0, 0.0)])
def test_what_runs_at_the_end_is_left_and_the_next_thing_goes_on(left: float, reserve: float) -> None:
    found, reporter, said = deadline(left)
    with found.within("the trainings", reserve):
        works(reporter, 5)
        raise AssertionError("it wasn't stopped")
    assert list(found.ended) == ["the trainings"]
    assert 0 <= found.ended["the trainings"] < 2
    assert said == [f"the budget is over: the trainings: stopped after {found.ended['the trainings']:.0f} s"]
    works(reporter, 0.02)  # nobody asks this one to stop


@pytest.mark.parametrize("code", [130, 143])
def test_who_presses_ctrl_c_means_all_of_it(code: int) -> None:
    found, reporter, _ = deadline(60)
    with pytest.raises(Cancelled) as caught, found.within("the trainings"):
        stopped_by(reporter, code)
    assert (caught.value.exit_code, found.ended) == (code, {})
    with pytest.raises(Cancelled):
        works(reporter, 1)


def test_ctrl_c_behind_the_end_counts() -> None:
    """Both in one moment: the person's wish isn't forgotten with the budget's."""
    found, reporter, _ = deadline(0.0)

    def both(code: int) -> None:
        reporter.cancel(code)
        reporter.cancel(130)

    found.stop = both
    with pytest.raises(Cancelled) as caught, found.within("the trainings"):
        works(reporter, 5)
    assert caught.value.exit_code == 130
