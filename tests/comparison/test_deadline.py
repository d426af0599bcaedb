"""A budget that is over ends what runs, and nothing else; what somebody else asked for is theirs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bakeoff.comparison.api import Comparison
from bakeoff.comparison.deadline import Deadline
from bakeoff.comparison.planning import Plan
from bakeoff.comparison.wanted import Wanted
from bakeoff.errors import Cancelled, UsageError
from bakeoff.recipe import load, to_toml
from bakeoff.training.job import Job
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


@pytest.mark.parametrize(("done", "kept"), [(1, 0), (2, 1), (3, 1)])
def test_trainings_that_are_cut_count_where_every_framework_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int, kept: int
) -> None:
    recipe = load("mnist-cnn")
    jobs = {name: Job("digits", to_toml(recipe), name, str(tmp_path / name)) for name in ("torch", "jax")}
    comparison = Comparison(jobs, recipe, tmp_path, Reporter(), Wanted((), seeds=2, budget=0.3))
    trained = 0

    def train(*_: object) -> dict[str, int]:
        nonlocal trained
        if trained == done:
            works(comparison.reporter, 5)
        trained += 1
        return {"number": trained}

    monkeypatch.setattr(comparison, "_train", train)
    meant = Plan(seeds=2, training_s=40.0)
    found = comparison._trainings(meant)
    assert {name: len(rows) for name, rows in found.items()} == {"torch": kept, "jax": kept}
    assert (meant.trains, meant.left_out) == (kept > 0, [{"what": "the trainings (stopped)", "seconds": 40.0}])
    assert comparison._predictions(Plan(predict=False), 1) == {}  # what follows isn't asked to stop
    comparison.reporter.check("before the tracks")


def test_without_parity_nothing_is_compared(tmp_path: Path) -> None:
    comparison = Comparison(
        {"torch": Job("digits", "", "torch", str(tmp_path))}, load("mnist-cnn"), tmp_path, Reporter()
    )
    comparison._proved()
    comparison.deadline.ended["parity"] = 9.0
    with pytest.raises(UsageError, match="over before parity was judged"):
        comparison._proved()


def test_a_folder_without_a_plan_takes_another_budget(tmp_path: Path) -> None:
    def begin(budget: float | None, images: str = "a") -> None:
        job = Job("digits", "", "torch", str(tmp_path / "c" / "torch"))
        comparison = Comparison(
            {"torch": job}, load("mnist-cnn"), tmp_path / "c", Reporter(), Wanted((), budget=budget)
        )
        comparison._begin(images)

    begin(3.0)
    begin(60.0)
    begin(60.0)
    with pytest.raises(UsageError, match="other settings"):
        begin(60.0, "b")
    (tmp_path / "c" / "plan.json").write_text("{}")
    with pytest.raises(UsageError, match="other settings"):
        begin(None)


@pytest.mark.parametrize(("asked", "shown"), [(("jax", "keras-jax"), None), (("keras-jax",), 7.0)])
def test_no_other_contestant_stands_for_one_that_failed(
    tmp_path: Path, asked: tuple[str, ...], shown: float | None
) -> None:
    """JAX's own step had run out of memory, and Keras's time was shown as JAX's."""
    recipe = load("mnist-cnn")
    job = Job("digits", to_toml(recipe), "jax", str(tmp_path / "jax"))
    comparison = Comparison({"jax": job}, recipe, tmp_path, Reporter(), Wanted(asked))
    row = {"step_ms": 7.0, "images_per_s": 1.0, "batch_size": 64, "compile_s": 0.0, "peak_memory_bytes": 1}
    timed = {
        "tracks": {"same_loader": {"keras-jax": row}},
        "rounds": {"same_loader": {"times": {"keras-jax": [[7.0, 7.0]]}}},
    }
    assert comparison._measured("jax", [], timed)["step_ms"] == shown
