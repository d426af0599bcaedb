"""Predictions against the clock: each framework's own form, and every export that runs here, an image at a time.

Exports are written and gated as `bakeoff export` does it; each runs in a fresh process of its own, and all take turns
forth and back as steps do. The net alone is timed, from a normalised image to its logits. With two callers, two threads
ask one session at once: the time of an image is then that of the clock over all images.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import bundle as bundles
from bakeoff import frameworks
from bakeoff.comparison.statistics.ratios import decided, interval_of
from bakeoff.errors import BakeoffError, Cancelled
from bakeoff.exports._answers import opened_with
from bakeoff.exports.measured import WRITERS
from bakeoff.files import make_folder, remove
from bakeoff.rundir.folder import Run
from bakeoff.rundir.readers import read_json
from bakeoff.seeds import rng
from bakeoff.timing.load import Load
from bakeoff.timing.rounds import Rounds, measured
from bakeoff.workers.channel import Reporter
from bakeoff.workers.launch import Worker

HERE = "bakeoff.comparison.predictions:"
FILE = "predictions.json"
EXPORTS = (("onnx", "float32"), ("onnx", "int8"), ("openvino", "float32"), ("litert", "float32"), ("litert", "int8"))
ROUNDS, SLOT_S, POOL = 15, 0.15, 16


@dataclass(frozen=True)
class Entrant:
    """A form of the trained net."""

    framework: str
    to: str = ""
    precision: str = "float32"
    callers: int = 1

    @property
    def name(self) -> str:
        """As it is shown."""
        form = f"{self.to} {self.precision}" if self.to else f"{self.framework} native"
        return form + (f", {self.callers} callers" if self.callers > 1 else "")


class Predictions:
    """Times the forms of a training's net.

    Args:
        run: the training.
        data: its images, for the gate of what isn't float32.
        names: the frameworks whose own form is timed.
        path: the comparison's folder.
        threads: of each process.
    """

    def __init__(self, run: Path, data: Path, names: list[str], path: Path, reporter: Reporter, threads: int) -> None:
        self.trained, self.data, self.path, self.reporter, self.threads = run, data, path, reporter, threads
        exports = [Entrant(WRITERS.get(to, "onnxruntime"), to, precision) for to, precision in EXPORTS]
        self.entrants = [*map(Entrant, names), *exports, Entrant("onnxruntime", "onnx", "float32", 2)]
        self.workers: dict[str, Worker] = {}
        self.written: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, str] = {}

    def cancel(self, code: int) -> None:
        """Ask whatever runs to stop."""
        for worker in self.workers.values():
            worker.cancel(code)

    def run(self) -> dict[str, Any]:
        """rows, ratios, disturbed, and what failed; kept once it is measured."""
        if (self.path / FILE).is_file():
            kept = read_json(self.path / FILE)
            return {key: value for key, value in kept.items() if key != "schema"}
        folder = make_folder(self.path / "exports", self.path)
        with ExitStack() as stack:
            for number, entrant in enumerate(self.entrants):
                self.reporter.progress("writing exports", number, len(self.entrants), entrant.name, unit="")
                self._prepare(entrant, folder, stack)
            present = [name for name in (one.name for one in self.entrants) if name in self.workers]
            rounds = self._measure(present)
            memory = {name: self._call(name, "memory") for name in present}
        remove(folder)
        found = {
            "rows": {name: self._row(name, rounds, memory[name]) for name in present},
            "ratios": [one.to_json("predictions.ms") for one in decided(dict(rounds.times))]
            if len(present) > 1
            else [],
            "disturbed": rounds.disturbed,
            "rounds": asdict(rounds),
            "failed": self.failed,
        }
        Run(self.path).json(FILE, found)
        return found

    def _call(self, name: str, function: str, **arguments: Any) -> Any:
        self.reporter.check(f"before {function.replace('_', ' ')} of {name}")
        return self.workers[name].call(HERE + function, None, **arguments)

    def _prepare(self, entrant: Entrant, folder: Path, stack: ExitStack) -> None:
        """Write an export, gated, and start who runs it; what can't be had here is left out, with its reason."""
        name, artefact = entrant.name, ""
        try:
            if entrant.to:
                self.written[name] = made = self._export(entrant, folder)
                artefact = made["path"]
            runner = "onnxruntime" if entrant.to else entrant.framework
            self.workers[name] = stack.enter_context(Worker(runner, threads=self.threads))
            given = {"run": str(self.trained), "framework": entrant.framework, "artefact": artefact}
            self._call(name, "open_form", **given, threads=self.threads, callers=entrant.callers)
        except Cancelled:
            raise
        except BakeoffError as error:
            self.failed[name] = str(error).splitlines()[0].replace(str(folder), "")[:200]
            self.reporter.log(f"{name} is left out: {self.failed[name]}")
            self.workers.pop(name, None)

    def _export(self, entrant: Entrant, folder: Path) -> dict[str, Any]:
        known = self.written.get(Entrant(entrant.framework, entrant.to, entrant.precision).name)
        if known:
            return known
        place = make_folder(folder / f"{entrant.to}-{entrant.precision}", folder)
        what = {"run": str(self.trained), "to": entrant.to, "precision": entrant.precision, "data": str(self.data)}
        with Worker(entrant.framework) as writer:
            self.workers[""] = writer  # it is asked to stop as all others are
            try:
                found: dict[str, Any] = writer.call(
                    "bakeoff.exports.measured:written", None, **what, output=str(place / "model")
                )
            finally:
                del self.workers[""]
        return found

    def _measure(self, names: list[str]) -> Rounds:
        for name in names:
            self._call(name, "predict_time", seconds=SLOT_S)

        def told(found: Rounds) -> None:
            self.reporter.progress("predictions", found.done, ROUNDS, unit="rounds")

        load = Load(worker.pid for worker in self.workers.values())
        return measured(
            names, ROUNDS, lambda name: tuple(self._call(name, "predict_time", seconds=SLOT_S)), load, after=told
        )

    def _row(self, name: str, rounds: Rounds, memory: int) -> dict[str, Any]:
        ms, low, high = interval_of(rounds.times[name])
        made = self.written.get(name) or self.written.get(name.partition(",")[0])
        figures: dict[str, Any] = next(iter(made["gate"]["splits"].values()), {}) if made else {}
        return {
            "ms": ms,
            "ms_interval": [low, high],
            "images_per_s": 1000 / ms,
            "bytes": made["bytes"] if made else None,
            "peak_memory_bytes": memory,
            "agreement": figures.get("agreement"),
            "accuracy": figures.get("accuracy"),
            "threads": self.threads,
        }


# in the process of a form ---------------------------------------------------------------------------------------------


def open_form(
    session: dict[str, Any], reporter: Reporter, *, run: str, framework: str, artefact: str, threads: int, callers: int
) -> None:
    """Have a form ready: an export by its own runtime, or a framework's own net."""
    read = bundles.read(run)
    if artefact:
        session["predict"] = opened_with(artefact, threads).runtime.predict
    else:
        session["predict"] = frameworks.load(framework).native(read.graph, threads=threads).logits
    shape = (POOL, *read.signature.size, read.signature.channels)
    session["images"] = rng(0, "images that are timed").normal(size=shape).astype(np.float32)
    session["callers"] = callers


def predict_time(session: dict[str, Any], reporter: Reporter, *, seconds: float) -> tuple[float, float]:
    """Milliseconds an image, over about so many seconds, and the seconds."""
    images, predict, callers = session["images"], session["predict"], session["callers"]
    began = time.perf_counter()

    def ask(caller: int) -> int:
        count = 0
        while time.perf_counter() - began < seconds or not count:
            at = (count + caller) % len(images)
            predict(images[at : at + 1])
            count += 1
        return count

    if callers == 1:
        total = ask(0)
    else:
        with ThreadPoolExecutor(callers) as pool:
            total = sum(pool.map(ask, range(callers)))
    spent = time.perf_counter() - began
    return 1000 * spent / total, spent


def memory(session: dict[str, Any], reporter: Reporter) -> int:
    """The largest resident size of this process so far, bytes."""
    from bakeoff.system import peak_memory

    return peak_memory()
