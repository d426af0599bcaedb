"""Every format and precision beside each other, here: size, speed, accuracy, and the best for a need."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import bundle as bundles
from bakeoff import registry
from bakeoff.drawing import scatter
from bakeoff.errors import BakeoffError, UsageError
from bakeoff.exports import FORMATS, export_checked, names, size_of
from bakeoff.exports._answers import opened_with
from bakeoff.exports._held_out import data_of
from bakeoff.exports.gate import ACCURACY, COUNTED, MAX_LOSS, Asked
from bakeoff.files import make_folder, workspace
from bakeoff.schemas import SCHEMA
from bakeoff.seeds import rng
from bakeoff.workers.channel import Listener
from bakeoff.workers.launch import Worker

ROUNDS, CALLS, BATCH = 6, 30, 16
WRITERS = {"torch": "torch", "keras": "tensorflow", "savedmodel": "tensorflow", "litert": "tensorflow"}
NEEDS = {"smallest": "bytes", "fastest": "p50_ms", "most_exact": "difference"}


def measure(
    run: Path,
    *,
    data: Path | None = None,
    threads: int = 1,
    max_loss: float | None = None,
    listen: Listener | None = None,
) -> dict[str, Any]:
    """A row a format and precision, and the best for each need among those that `export` would let through.

    Each artefact runs in a fresh process with so many threads. They take turns, forth and back: what else the machine
    does in a round meets all of them. A time is that of the net alone, from a normalised image to its logits.

    Args:
        run: a run folder or a bundle; accuracy is known of a run whose images are there.
        data: where these are now; None: where they were.
        threads: of each process.
        max_loss: points of accuracy that fewer bits may lose, as for `export_checked`.
        listen: told what is being done.

    Raises:
        UsageError: it can't be written in any format.
    """
    wanted = [(name, one) for name in names() for one in _precisions(name)]
    say = listen or (lambda message: None)
    rows, made = list[dict[str, Any]](), dict[int, dict[str, Any]]()
    _, why = data_of(run, bundles.read(run), data)
    with workspace("compare") as folder, ExitStack() as processes:
        for number, (name, precision) in enumerate(wanted):
            say({"kind": "stage", "number": number + 1, "of": len(wanted) + 1, "text": f"{name} in {precision}"})
            rows.append({"format": name, "precision": precision, "error": "", "refused": ""})
            what = {"run": str(run), "to": name, "precision": precision, "data": None if data is None else str(data)}
            try:
                with Worker(WRITERS.get(name, "onnxruntime")) as writer:  # two frameworks don't fit into one process
                    what["output"] = str(make_folder(folder / f"{number}", folder) / "model")
                    made[number] = writer.call("bakeoff.exports.measured:written", **what)
            except BakeoffError as error:
                rows[-1]["error"] = str(error).splitlines()[0].replace(str(folder), "")
        say({"kind": "stage", "number": len(wanted) + 1, "of": len(wanted) + 1, "text": "time them, in turns"})
        asked = {number: Asked(Path(one["path"]), folder, threads) for number, one in made.items()}
        for process in asked.values():
            processes.enter_context(process.worker)
        for number, times in _in_turns(asked).items():
            rows[number] |= _row(made[number], *times, MAX_LOSS if max_loss is None else max_loss)
    good = [row for row in rows if not (row["error"] or row["refused"])]
    if not good:
        raise UsageError(f"{run}: it can't be written in any format: {rows[0]['error'] or rows[0]['refused']}")
    best = {need: _called(min(good, key=lambda row: row[key])) for need, key in NEEDS.items()}
    how_measured = f"threads: {threads}; {ROUNDS} rounds in turns, fresh processes; {why}".rstrip("; ")
    return {"schema": SCHEMA, "run": str(run), "threads": threads, "how": how_measured, "rows": rows, "best": best}


def written(
    session: dict[str, Any], reporter: Any, *, run: str, to: str, precision: str, output: str, data: str | None
) -> dict[str, Any]:
    """Called in a process of its own: an artefact's path and size, and what the gate said of it."""
    how: dict[str, Any] = {"precision": precision, "max_loss": 100.0, "data": data, "exact": COUNTED}
    made = export_checked(run, to, output, **how)
    return {"path": str(made.path), "bytes": size_of(made.path), "gate": made.gate.to_json()}


def draw(found: dict[str, Any], output: Path) -> None:
    """Write size and median time of each artefact as an image."""
    points = [(_called(row), row["bytes"] / 1e6, row["p50_ms"]) for row in found["rows"] if not row["error"]]
    scatter.draw(points, output, x_label="MB", y_label=f"ms an image, median; {found['how']}")


def _called(row: dict[str, Any]) -> str:
    return f"{row['format']} {row['precision']}"


def _precisions(name: str) -> tuple[str, ...]:
    return getattr(registry.load(FORMATS, name), "PRECISIONS", ("float32",))


def _in_turns(asked: dict[int, Asked]) -> dict[int, tuple[list[float], list[float]]]:
    """Of each artefact the seconds of single images, and of a batch, an image."""
    found: dict[int, tuple[list[float], list[float]]] = {number: ([], []) for number in asked}
    for turn in range(ROUNDS + 1):
        for number in list(asked)[:: -1 if turn % 2 else 1]:
            one = asked[number]
            what = {"artefact": str(one.artefact), "threads": one.threads, "calls": CALLS, "batch": BATCH}
            singles, batch = one.worker.call("bakeoff.exports.measured:timed", **what)
            if turn:  # the first one loads and warms up
                found[number][0].extend(singles)
                found[number][1].append(batch)
    return found


def timed(
    session: dict[str, Any], reporter: Any, *, artefact: str, threads: int, calls: int, batch: int
) -> tuple[list[float], float]:
    """Called in a fresh process: the seconds of each of so many single images, and of a batch, an image."""
    opened = session["opened"] = session.get("opened") or opened_with(artefact, threads)
    shape = (batch, *opened.signature.size, opened.signature.channels)
    images = rng(0, "images that are timed").normal(size=shape).astype(np.float32)
    singles = []
    for number in range(calls):
        begun = time.perf_counter()
        opened.runtime.predict(images[number % batch : number % batch + 1])
        singles.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    opened.runtime.predict(images)
    return singles, (time.perf_counter() - begun) / batch


def _row(made: dict[str, Any], singles: list[float], batches: list[float], max_loss: float) -> dict[str, Any]:
    p50, p99 = (1000 * float(np.quantile(singles, share)) for share in (0.5, 0.99))
    figures: dict[str, Any] = next(iter(made["gate"]["splits"].values()), {})
    net = next(one for one in made["gate"]["checks"] if one["name"] in ("logits", "probabilities"))
    lost = next((one for one in made["gate"]["checks"] if one["name"].startswith(ACCURACY)), None)
    refused = ""
    if lost is not None and 100 * lost["difference"] > max_loss:
        refused = f"export refuses it: {lost['detail']}; --max-loss {math.ceil(100 * lost['difference'])} would not"
    return {
        "refused": refused,
        "runtime": made["gate"]["runtime"],
        "bytes": made["bytes"],
        "p50_ms": p50,
        "p99_ms": p99,
        "images_per_s": 1 / float(np.median(batches)),
        **{key: figures.get(key) for key in ("accuracy", "accuracy_interval", "agreement", "num")},
        "difference": net["difference"],
    }
