"""Every format and precision beside each other, here: size, speed, accuracy, and the best for a need."""

from __future__ import annotations

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
from bakeoff.exports.gate import COUNTED, Asked
from bakeoff.files import workspace
from bakeoff.schemas import SCHEMA
from bakeoff.workers.channel import Listener
from bakeoff.workers.launch import Worker

ROUNDS, CALLS, BATCH = 6, 30, 16
NEEDS = {"smallest": "bytes", "fastest": "p50_ms", "most_exact": "difference"}


def measure(run: Path, *, data: Path | None = None, threads: int = 1, listen: Listener | None = None) -> dict[str, Any]:
    """A row a format and precision, and the best for each need.

    Each artefact runs in a fresh process with so many threads. They take turns, forth and back: what else the machine
    does in a round meets all of them. A time is that of the net alone, from a normalised image to its logits.

    Args:
        run: a run folder or a bundle; accuracy is known of a run whose images are there.
        data: where these are now; None: where they were.
        threads: of each process.
        listen: told what is being done.

    Raises:
        UsageError: it can't be written in any format.
    """
    wanted = [(name, one) for name in names() for one in _precisions(name)]
    say = listen or (lambda message: None)
    rows, made = list[dict[str, Any]](), dict[int, Path]()
    _, why = data_of(run, bundles.read(run), data)
    with workspace("compare") as folder, ExitStack() as processes:
        for number, (name, precision) in enumerate(wanted):
            say({"kind": "stage", "number": number + 1, "of": len(wanted) + 1, "text": f"{name} in {precision}"})
            rows.append({"format": name, "precision": precision, "error": ""})
            try:
                how = {"to": name, "precision": precision, "data": None if data is None else str(data)}
                output = str(folder / f"{number}" / "model")
                with Worker("onnxruntime") as alone:  # some libraries crash beside each other
                    path, row = alone.call("bakeoff.exports.measured:written", run=str(run), output=output, **how)
                rows[-1] |= row
                made[number] = Path(path)
            except BakeoffError as error:
                rows[-1]["error"] = str(error).splitlines()[0].replace(str(folder), "")
        say({"kind": "stage", "number": len(wanted) + 1, "of": len(wanted) + 1, "text": "time them, in turns"})
        asked = {number: Asked(one, folder, threads) for number, one in made.items()}
        for process in asked.values():
            processes.enter_context(process.worker)
        for number, times in _in_turns(asked).items():
            rows[number] |= _speed(*times)
    good = [row for row in rows if not row["error"]]
    if not good:
        raise UsageError(f"{run}: it can't be written in any format: {rows[0]['error']}")
    best = {need: _called(min(good, key=lambda row: row[key])) for need, key in NEEDS.items()}
    how_measured = f"{threads} thread{'s' * (threads > 1)}, {ROUNDS} rounds in turns, fresh processes; {why}".rstrip(
        "; "
    )
    return {"schema": SCHEMA, "run": str(run), "threads": threads, "how": how_measured, "rows": rows, "best": best}


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
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    singles = []
    for number in range(calls):
        begun = time.perf_counter()
        opened.runtime.predict(images[number % batch : number % batch + 1])
        singles.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    opened.runtime.predict(images)
    return singles, (time.perf_counter() - begun) / batch


def written(
    session: dict[str, Any], reporter: Any, *, run: str, to: str, output: str, precision: str, data: str | None
) -> tuple[str, dict[str, Any]]:
    """Called in a fresh process: the artefact's path, and what the gate and its size say of it."""
    how: dict[str, Any] = {"precision": precision, "max_loss": 100.0, "data": data, "exact": COUNTED}
    made = export_checked(Path(run), to, Path(output), **how)
    figures, net = made.gate.judged, next(one for one in made.gate.checks if one.name in ("logits", "probabilities"))
    told = {key: figures.get(key) for key in ("accuracy", "accuracy_interval", "agreement", "num")}
    row = {"runtime": made.gate.runtime, "bytes": size_of(made.path), **told, "difference": net.difference}
    return str(made.path), row


def _speed(singles: list[float], batches: list[float]) -> dict[str, Any]:
    p50, p99 = (1000 * float(np.quantile(singles, share)) for share in (0.5, 0.99))
    return {"p50_ms": p50, "p99_ms": p99, "images_per_s": 1 / float(np.median(batches))}
