"""Contestants against the clock: what is measured, kept, left out, and what shows that a step isn't the step."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from bakeoff.comparison import contestants, tracks
from bakeoff.comparison.statistics.ratios import LEAST
from bakeoff.comparison.tracks import Tracks, step_checks
from bakeoff.data.sample import write_digits
from bakeoff.errors import Cancelled, UsageError
from bakeoff.recipe import narrow, to_toml
from bakeoff.seeds import rng
from bakeoff.timing.load import Load, Reading
from bakeoff.training.api import resolve
from bakeoff.training.job import Job
from bakeoff.workers.channel import Reporter

SPEED = {"torch-eager": 10.0, "torch-eager#2": 10.0, "torch-compiled": 5.0}


class Fake:
    """A worker whose contestant takes so many milliseconds a step."""

    pid = 1
    calls: ClassVar[list[str]] = []
    stop_after = 10**9
    took: ClassVar[dict[str, float]] = {}
    draw = rng(0, "times")

    def __init__(self, *_: Any, **__: Any) -> None:
        self.name = ""

    def __enter__(self) -> Fake:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def call(self, entry: str, listen: Any, **given: Any) -> Any:
        function = entry.partition(":")[2]
        Fake.calls.append(function)
        if len(Fake.calls) > Fake.stop_after:
            raise Cancelled("stopped", 143)
        if function == "begin":
            self.name = given["contestant"]
            if self.name == "keras-torch":
                raise UsageError("there is no such backend here\nAnd more.")
            losses = [2.0, 1.5, 1.2]
            facts = {
                "start_s": 1.0,
                "compile_s": 0.5,
                "step_ms": Fake.took.get(self.name, 5.0),
                "batch_size": 64,
                "threads": 1,
            }
            return {**facts, "losses": losses, "noise": losses, "pipeline": "torch", "environment": {}}
        answers: dict[str, Any] = {"warm_input": 3, "input_time": 0.5, "batch_times": {"1": 1.0}, "memory": 10**8}
        return answers.get(function, (SPEED[self.name] * float(np.exp(Fake.draw.normal(0, 0.004))), 0.2))


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def calm() -> Reading:
        now[0] += 1.0
        return Reading(now[0], 0.0, 0.0)

    monkeypatch.setattr(tracks, "Worker", Fake)
    monkeypatch.setattr(tracks, "Load", lambda pids: Load(read=calm))
    Fake.calls, Fake.stop_after, Fake.took = [], 10**9, {}
    Fake.draw = rng(0, "times")


def measured(path: Path, names: list[str], **more: Any) -> dict[str, Any]:
    path.mkdir(exist_ok=True)
    jobs = {"torch": Job("data", "recipe", "torch", str(path / "torch"))}
    return Tracks(jobs, names, path, Reporter(), 1, {"same_loader": 10, "native_best": 10}, **more).run()


def test_every_track_has_a_row_a_contestant(tmp_path: Path) -> None:
    found = measured(tmp_path, ["torch-eager", "torch-compiled"])
    assert set(found["tracks"]) == {"same_loader", "native_best"}
    row = found["tracks"]["same_loader"]["torch-eager"]
    keys = {"step_ms", "step_ms_interval", "images_per_s", "input_ms", "compile_s", "start_s", "peak_memory_bytes"}
    assert keys <= set(row)
    low, high = row["step_ms_interval"]
    assert low <= row["step_ms"] <= high
    assert row["images_per_s"] == pytest.approx(64000 / row["step_ms"])
    for one in found["ratios"]:
        assert (one["a"], one["b"], one["faster"]) == ("torch-eager", "torch-compiled", "torch-compiled")
        assert 0.48 < one["interval"][0] <= one["ratio"] <= one["interval"][1] < 0.52
    assert [one["passed"] for one in found["checks"]] == [True]


def test_the_same_one_twice_is_no_difference(tmp_path: Path) -> None:
    found = measured(tmp_path, contestants.numbered(["torch-eager", "torch-eager"]))
    assert [one["b"] for one in found["ratios"]] == ["torch-eager#2"] * 2
    assert [one["faster"] for one in found["ratios"]] == [None] * 2


def test_who_can_not_run_here_is_named(tmp_path: Path) -> None:
    found = measured(tmp_path, ["torch-eager", "keras-torch"])
    assert found["failed"] == {"keras-torch": "there is no such backend here"}
    assert list(found["tracks"]["same_loader"]) == ["torch-eager"]
    assert found["ratios"] == []


def test_finished_rounds_are_kept_and_what_is_finished_is_not_done_again(tmp_path: Path) -> None:
    Fake.stop_after = 30
    with pytest.raises(Cancelled):
        measured(tmp_path, ["torch-eager", "torch-compiled"])
    kept = tracks.read_json(tmp_path / tracks.FILE)["rounds"]["same_loader"]["times"]["torch-eager"]
    assert 0 < len(kept) < 10
    Fake.stop_after = 10**9
    found = measured(tmp_path, ["torch-eager", "torch-compiled"])
    again = found["rounds"]["same_loader"]["times"]["torch-eager"]
    assert [list(pair) for pair in again[: len(kept)]] == kept
    assert len(again) == 10
    Fake.calls = []
    assert measured(tmp_path, ["torch-eager", "torch-compiled"])["tracks"] == found["tracks"]
    assert Fake.calls == []


def test_an_unsteady_machine_gets_more_rounds_unless_time_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "precise", lambda times: False)
    assert len(measured(tmp_path / "a", ["torch-eager"])["rounds"]["same_loader"]["times"]["torch-eager"]) == 20
    short = measured(tmp_path / "b", ["torch-eager"], deadline=time.monotonic() + 1e6)
    assert len(short["rounds"]["same_loader"]["times"]["torch-eager"]) == 10


def test_behind_the_deadline_a_track_ends_with_what_suffices_and_none_begins(tmp_path: Path) -> None:
    found = measured(tmp_path, ["torch-eager", "torch-compiled"], deadline=time.monotonic() - 1)
    assert len(found["rounds"]["same_loader"]["times"]["torch-eager"]) == LEAST
    assert list(found["tracks"]) == ["same_loader"]
    assert found["failed"] == {"native best": "the time was over before it began"}


@pytest.mark.parametrize(
    ("slow", "left", "out"),
    [
        ("torch-compiled", 100.0, ["torch-compiled"]),
        ("torch-compiled", 1e5, []),
        ("torch-compiled", None, []),
        ("torch-eager", 1.0, []),  # how the framework is run is what it is about
    ],
)
def test_who_takes_longer_than_the_budget_has_is_left_out(
    tmp_path: Path, slow: str, left: float | None, out: list[str]
) -> None:
    Fake.took = {slow: 20_000.0}
    found = measured(
        tmp_path,
        ["torch-eager", "torch-eager#2", "torch-compiled"],
        deadline=None if left is None else time.monotonic() + left,
    )
    assert [name for name in found["failed"] if name in SPEED] == out
    assert list(found["tracks"]["same_loader"]) == [name for name in SPEED if name not in out]
    assert all("its rounds take 6 min 00 s, more than the budget has left" in found["failed"][name] for name in out)


def facts(losses: list[float], noise: float = 1e-7) -> dict[str, Any]:
    return {"losses": losses, "noise": [one * (1 + noise) for one in losses]}


@pytest.mark.parametrize(
    ("losses", "passed"),
    [
        ([2.0, 1.5, 1.2], True),
        ([2.0, 1.500001, 1.2], True),  # rounding
        ([2.0, 2.0, 2.0], False),  # it learns nothing, and would be fast
        ([2.0, 1.49, 1.2], False),  # its first step is another one
        ([2.0, float("nan"), 1.2], False),
    ],
)
def test_a_step_that_is_too_good_to_be_the_step_fails(losses: list[float], passed: bool) -> None:
    (found,) = step_checks({"torch-eager": facts([2.0, 1.5, 1.2]), "jax": facts(losses)})
    assert (found.name, found.passed) == ("step.jax", passed)


def test_nets_that_draw_masks_have_no_losses_to_compare() -> None:
    assert step_checks({"torch-eager": facts([]), "jax": facts([])}) == []


def test_every_contestant_says_who_it_is() -> None:
    assert len(contestants.names()) == 8
    for name in contestants.names():
        page = contestants.load(name)
        assert page.FRAMEWORK in contestants.USUAL
        assert page.PIPELINE in ("torch", "tensorflow", "own")
        assert page.LIBRARIES
        assert page.TEXT
        assert name in (page.__doc__ or "")
    for framework, name in contestants.USUAL.items():
        assert framework == contestants.load(name).FRAMEWORK


@pytest.mark.slow
@pytest.mark.parametrize("name", contestants.names())
def test_a_contestants_step_is_the_step(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: the same losses as the framework's own way, and a time for everything."""
    from bakeoff.workers.launch import Worker

    if library := contestants.missing(name):
        pytest.skip(f"{library} is not installed")
    write_digits(tmp_path / "digits")
    recipe, page = to_toml(narrow(resolve("mnist-cnn"))), contestants.load(name)
    known: dict[str, Any] = {}
    for who in (contestants.USUAL[page.FRAMEWORK], name):
        with Worker(page.FRAMEWORK, threads=1) as worker:
            job = Job(str(tmp_path / "digits"), recipe, page.FRAMEWORK, str(tmp_path / "run"))
            given = {"job": job.to_json(), "contestant": who, "threads": 1, "began": 0.0}
            known[who if who == name else "first"] = worker.call("bakeoff.comparison.steps:begin", **given)
            if who == name:
                assert worker.call("bakeoff.comparison.steps:step_time", seconds=0.01)[0] > 0
                assert worker.call("bakeoff.comparison.steps:native_time", seconds=0.01)[0] > 0
    checks = step_checks({"torch-eager": known["first"], "it": known[name]} if "first" in known else {})
    assert all(one.passed for one in checks), checks
