"""Whether a phase's steps are compiled, what that costs and what it gives: measured, and reported apart.

A compiled step rounds differently from a plain one, so the choice is part of a run: a checkpoint holds it, and a run
that goes on in the same framework keeps it. Batches of another size (the last of an epoch) and validation run plain.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from bakeoff.protocols import Net
from bakeoff.schemas import Array

if TYPE_CHECKING:
    from bakeoff.training.loop.epochs import Loop

STEPS = 5  # of a measurement, each way
LEAST_S = 120.0  # `auto` does not try where all plain steps together take less: compiling takes a minute or two
GAIN = 0.95  # of a plain step's time, that a compiled one must stay below


@dataclass(frozen=True)
class _Batch:
    images: Array
    labels: Array


def settled(loop: Loop) -> dict[str, Any]:
    """Let the loop's net compile its steps, or not, as the job says; the net is left as it was.

    Returns:
        used; and where something was measured compile_s, step_ms {"plain", "compiled"}, why.
    """
    context, net = loop.context, loop.net
    if context.job.compile == "off" or net.compiles == "always":
        return {"used": net.compiles == "always"}
    found, decided = context.checkpointer.found, None
    if found is not None and found.meta["framework"] == context.job.framework:
        decided = found.meta.get("compiled")
    batch = _first(loop)
    if len(batch.labels) < loop.phase.batch_size:
        notes: dict[str, Any] = {"used": False, "why": "fewer images than a batch"}
    elif decided is False:
        notes = {"used": False, "why": "as before the checkpoint"}
    else:
        with untouched(net):
            notes = _on(loop, batch) if decided or context.job.compile == "on" else _measured(loop, batch)
    context.checkpointer.header["compiled"] = notes["used"]
    context.reporter.log(_message(notes))
    return notes


@contextmanager
def untouched(net: Net) -> Iterator[None]:
    """Behind it the net is as before: what was tried in between shows in no number."""
    arrays, slots, scale = net.arrays(), net.slots(), net.loss_scale()
    yield
    net.load(arrays)
    net.load_loss_scale(scale)
    net.load_slots(slots, 0)
    net.forget()


def _first(loop: Loop) -> _Batch:
    batch = next(loop.batches())
    return _Batch(loop.context.images(batch), loop.labels(batch))


def _step(loop: Loop, batch: _Batch) -> float:
    """Seconds of a step that moves no weight."""
    began = time.perf_counter()
    loop.net.steps([batch.images], [batch.labels], [0.0])
    return time.perf_counter() - began


def _times(loop: Loop, batch: _Batch) -> tuple[float, float]:
    """Seconds of the first step beyond those of the next ones, and their median."""
    first = _step(loop, batch)
    usual = median(_step(loop, batch) for _ in range(STEPS))
    return max(0.0, first - usual), usual


def _on(loop: Loop, batch: _Batch) -> dict[str, Any]:
    loop.net.compile_batch = len(batch.labels)
    try:
        seconds, usual = _times(loop, batch)
    except Exception as error:  # a compiler can fail in as many ways as there are machines
        loop.net.compile_batch = None
        return {"used": False, "why": f"it can't be compiled here: {_line(error)}"}
    return {"used": True, "compile_s": seconds, "step_ms": {"compiled": 1000 * usual}}


def _measured(loop: Loop, batch: _Batch) -> dict[str, Any]:
    _, plain = _times(loop, batch)
    steps = loop.steps_per_epoch * loop.phase.epochs
    if plain * steps < LEAST_S:
        return {
            "used": False,
            "step_ms": {"plain": 1000 * plain},
            "why": f"{steps} steps take {plain * steps:.0f} s as they are",
        }
    notes = _on(loop, batch)
    if not notes["used"]:
        return notes
    notes["step_ms"]["plain"] = 1000 * plain
    gain = plain - notes["step_ms"]["compiled"] / 1000
    if notes["step_ms"]["compiled"] > 1000 * GAIN * plain or gain * steps < notes["compile_s"]:
        loop.net.compile_batch = None
        notes |= {"used": False, "why": "it doesn't pay here"}
    return notes


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:150]}" if lines else type(error).__name__


def _message(notes: dict[str, Any]) -> str:
    times = notes.get("step_ms", {})
    measured = ", ".join(f"{name} {value:.0f} ms" for name, value in times.items())
    timed = f" ({measured} a step)" if measured else ""
    if notes["used"]:
        return f"compile: used; compiling took {notes['compile_s']:.0f} s{timed}"
    return f"compile: not used: {notes['why']}{timed}"
