"""The two tracks of a comparison of times, each contestant in a process of its own, in turns forth and back.

`same_loader`: images in memory, so that the step alone differs. `native_best`: the same step, waiting for the input
pipeline that the contestant's experts would write. Finished rounds lie in the comparison's folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bakeoff.comparison import contestants
from bakeoff.comparison.statistics.ratios import LEAST, decided, interval_of, precise
from bakeoff.comparison.steps import SLOT_S
from bakeoff.errors import BakeoffError, Cancelled
from bakeoff.parity import check
from bakeoff.parity.tolerance import LOSSES, with_noise
from bakeoff.rundir.folder import Run
from bakeoff.rundir.readers import read_json
from bakeoff.schemas import Check
from bakeoff.timing.load import Load
from bakeoff.timing.rounds import Rounds, measured
from bakeoff.training.job import Job
from bakeoff.workers.channel import Reporter
from bakeoff.workers.launch import Worker
from bakeoff.workers.progress import seconds

STEPS = "bakeoff.comparison.steps:"
FILE = "tracks.json"
SAME, NATIVE = "same_loader", "native_best"
MEASURES = {SAME: "step_time", NATIVE: "native_time"}
SIZES = [1, 32, 128]  # batches whose steps say what a call costs and what a larger batch would bring
SLOW = 2.0  # times a framework's own step
CHEAP_S = 3.0  # a step, or compiling one: above it, other batch sizes aren't tried


class Tracks:
    """Measures contestants.

    Args:
        jobs: by framework: data, recipe and settings of the trainings that stand for it.
        names: of the contestants, one of a kind.
        threads: of each process.
        chosen: the tracks, and rounds of each; twice as many where the machine is unsteady.
        deadline: of `time.monotonic`, behind which a track ends once it has LEAST rounds, and none begins; no rounds
            are added where there is one.
        stage: told what begins.
    """

    def __init__(
        self,
        jobs: dict[str, Job],
        names: list[str],
        path: Path,
        reporter: Reporter,
        threads: int,
        chosen: dict[str, int],
        stage: Callable[[str], None] = lambda text: None,
        deadline: float | None = None,
    ) -> None:
        self.jobs, self.names, self.path, self.reporter = jobs, names, path, reporter
        self.threads, self.chosen, self.stage, self.deadline = threads, dict(chosen), stage, deadline
        self.workers: dict[str, Worker] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, str] = {}
        self.rounds: dict[str, Rounds] = {}

    def cancel(self, code: int) -> None:
        """Ask whatever runs to stop."""
        for worker in self.workers.values():
            worker.cancel(code)

    def run(self) -> dict[str, Any]:
        """All tracks; what `result` says, which is kept once all is measured."""
        kept = self._kept()
        if kept.get("finished"):
            return dict(kept["finished"])
        with ExitStack() as stack:
            self.stage("start contestants")
            for number, name in enumerate(self.names):
                self.reporter.progress("starting contestants", number, len(self.names), name, unit="")
                self._begin(name, stack)
                self._afford()  # at once: it frees its memory for those that come
            present = [name for name in self.names if name in self.facts]
            for track, count in list(self.chosen.items()):
                if self.rounds and self._late():
                    self.failed[track.replace("_", " ")] = "the time was over before it began"
                    del self.chosen[track]
                    continue
                self.stage(f"time steps, {track.replace('_', ' ')}")
                self._measure(track, present, count, kept)
            for name in present:
                self._more(name)
        found = self.result(present)
        Run(self.path).json(FILE, {"finished": found})
        return found

    def _kept(self) -> dict[str, Any]:
        return read_json(self.path / FILE) if (self.path / FILE).is_file() else {}

    def _call(self, name: str, function: str, **arguments: Any) -> Any:
        self.reporter.check(f"before {function.replace('_', ' ')} of {name}")
        return self.workers[name].call(STEPS + function, self._heard, **arguments)

    def _heard(self, message: dict[str, Any]) -> None:
        """Contestants read the images again, each: nothing to show."""

    def _begin(self, name: str, stack: ExitStack) -> None:
        """Start a contestant; one that can't run here is left out, with its reason."""
        framework = contestants.load(name).FRAMEWORK
        job, began = self.jobs[framework], time.time()
        worker = Worker(framework, device=job.device, threads=self.threads, precision=job.precision)
        self.workers[name] = stack.enter_context(worker)
        given = {"job": job.to_json(), "contestant": name, "threads": self.threads, "began": began}
        try:
            self.facts[name] = self._call(name, "begin", **given)
        except Cancelled:
            raise
        except BakeoffError as error:  # a compiler can fail in as many ways as there are machines
            self.failed[name] = str(error).splitlines()[0][:200]
            self.reporter.log(f"{name} can't run here: {self.failed[name]}")
            del self.workers[name]
            worker.close()

    def _afford(self) -> None:
        """Where there is a deadline, leave out whose rounds alone would pass it: slow beside how frameworks are run."""
        slots = {name: 2 * max(SLOT_S, row["step_ms"] / 1000) for name, row in self.facts.items()}
        usual = [slots[name] for name in contestants.USUAL.values() if name in slots]
        for name in sorted(slots, key=lambda one: -slots[one]):
            left = float("inf") if self.deadline is None else self.deadline - time.monotonic()
            if (LEAST + 1) * sum(slots.values()) <= left or not usual or slots[name] <= SLOW * max(usual):
                return
            self.failed[name] = (
                f"its rounds take {seconds((LEAST + 1) * slots.pop(name))}, more than the budget has left"
            )
            self.reporter.log(f"{name} is left out: {self.failed[name]}")
            del self.facts[name]
            self.workers.pop(name).close()

    def _measure(self, track: str, names: list[str], count: int, kept: dict[str, Any]) -> None:
        if not names:
            return
        if track == NATIVE:
            for name in names:
                self.reporter.progress("filling input pipelines", names.index(name), len(names), name, unit="")
                self._call(name, "warm_input")
        begun = kept.get("rounds", {}).get(track)
        before = Rounds(**begun) if begun and set(begun["times"]) == set(names) else None
        for name in names:  # one that isn't kept: caches, clocks
            self._call(name, MEASURES[track])
        load = Load(worker.pid for worker in self.workers.values())
        while True:
            after = partial(self._keep, track, count)
            found = measured(names, count, partial(self._once, track), load, begun=before, after=after, over=self._over)
            if found.done > self.chosen[track] or self.deadline is not None or precise(dict(found.times)):
                break
            before, count = found, 2 * count
            self.reporter.log(f"{track.replace('_', ' ')}: {count} rounds, for this machine is unsteady")
        self.rounds[track] = found

    def _late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def _over(self, found: Rounds) -> bool:
        """Whether the time is, and what there is suffices for an interval."""
        return self._late() and found.done >= LEAST

    def _once(self, track: str, name: str) -> tuple[float, float]:
        """One slot of a contestant."""
        value, seconds = self._call(name, MEASURES[track])
        return value, seconds

    def _keep(self, track: str, count: int, found: Rounds) -> None:
        """The rounds so far, so that a comparison that is stopped goes on from them."""
        self.rounds[track] = found
        Run(self.path).json(FILE, {"rounds": {name: asdict(one) for name, one in self.rounds.items()}})
        self.reporter.progress(track.replace("_", " "), found.done, count, unit="rounds")

    def _more(self, name: str) -> None:
        """What stands beside the rounds: input alone, other batch sizes, memory."""
        facts = self.facts[name]
        for track in self.chosen:
            facts[f"input_ms.{track}"] = self._call(name, "input_time", seconds=0.2, native=track == NATIVE)
        step_s, batch = facts["step_ms"] / 1000, facts["batch_size"]
        wanted = sorted({*SIZES, batch}) if facts["compile_s"] < 3 * CHEAP_S else []
        sizes = [size for size in wanted if step_s * size / batch < CHEAP_S]
        facts["batch_ms"] = self._call(name, "batch_times", sizes=sizes)
        facts["peak_memory_bytes"] = self._call(name, "memory")

    # what came out

    def result(self, present: list[str]) -> dict[str, Any]:
        """`tracks`, `ratios`, `disturbed`, the checks of the contestants' own steps, and who is left out."""
        found: dict[str, Any] = {}
        ratios = []
        for track, rounds in self.rounds.items():
            found[track] = {name: self._row(track, name, rounds) for name in present}
            ratios += [one.to_json(f"{track}.step_ms") for one in decided(dict(rounds.times))]
        wall = sum(rounds.wall_s for rounds in self.rounds.values())
        return {
            "tracks": found,
            "ratios": ratios,
            "disturbed": sum(rounds.disturbed for rounds in self.rounds.values()),
            "rounds": {track: asdict(rounds) for track, rounds in self.rounds.items()},
            "overhead": 1 - sum(one.measured_s for one in self.rounds.values()) / wall if wall else 0.0,
            "checks": [asdict(one) for one in step_checks(self.facts)],
            "failed": self.failed,
        }

    def _row(self, track: str, name: str, rounds: Rounds) -> dict[str, Any]:
        facts = self.facts[name]
        step_ms, low, high = interval_of(rounds.times[name])
        return {
            "step_ms": step_ms,
            "step_ms_interval": [low, high],
            "images_per_s": 1000 * facts["batch_size"] / step_ms,
            "input_ms": facts[f"input_ms.{track}"],
            "compile_s": facts["compile_s"],
            "start_s": facts["start_s"],
            "peak_memory_bytes": facts["peak_memory_bytes"],
            "batch_size": facts["batch_size"],
            "batch_ms": facts["batch_ms"],
            "threads": facts["threads"],
            "pipeline": facts["pipeline"] if track == NATIVE else "own",
        }


def step_checks(facts: dict[str, dict[str, Any]]) -> list[Check]:
    """Whether each contestant's step is the step: its first losses beside those of the first one whose framework was
    proved. A contestant that is fast because it leaves something out is found here: too good is a failure of parity.
    """
    told = {name: row for name, row in facts.items() if row["losses"]}
    usual = contestants.USUAL.values()
    first = next((name for name in told if name in usual), next(iter(told), ""))
    if not first:
        return []
    floor = max(_apart(row["losses"], row["noise"]) for row in told.values())
    detail = f"losses of the first {len(told[first]['losses'])} steps, beside {first}; noise floor {floor:.1e}"
    return [
        check(f"step.{name}", _apart(row["losses"], told[first]["losses"]), with_noise(LOSSES, floor), detail)
        for name, row in told.items()
        if name != first
    ]


def _apart(found: list[float], expected: list[float]) -> float:
    """The largest relative difference; infinite of what isn't finite."""
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        difference = abs(a - b) / max(abs(b), 1e-12)
        worst = max(worst, difference if difference - difference == 0 else float("inf"))
    return worst
