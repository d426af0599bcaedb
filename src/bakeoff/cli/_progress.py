"""How far a job is, on stderr: bars on a terminal, few plain lines elsewhere.

A listener (see `bakeoff.workers.channel`) is told {"kind": "progress", "phase", "done", "total", "unit", "note"} and
{"kind": "log", "text"}. Phases may take turns (train, evaluate, train, ...): each counts the time that was its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from bakeoff.protocols import Progress

PLAIN_EVERY_S = 10.0


class Listener(Protocol):
    """Takes messages of a job."""

    def __call__(self, message: dict[str, Any]) -> None: ...


@dataclass
class Pace:
    """The time that one phase took, and how much of it was done."""

    seconds: float = 0.0
    done: int = 0
    first: int | None = None

    def rate(self) -> float | None:
        """Units per second, once that is known."""
        made = self.done - (self.first or 0)
        return made / self.seconds if made > 0 and self.seconds > 0.05 else None

    def left(self, total: int) -> float | None:
        """Seconds to go."""
        rate = self.rate()
        return (total - self.done) / rate if rate else None


class Paces:
    """The pace of every phase; time belongs to the phase that reports at its end."""

    def __init__(self) -> None:
        self._phases: dict[str, Pace] = {}
        self._last = time.perf_counter()

    def see(self, phase: str, done: int) -> Pace:
        """Count a message."""
        now = time.perf_counter()
        pace = self._phases.setdefault(phase, Pace())
        if done < pace.done:  # it began anew
            pace = self._phases[phase] = Pace()
        if pace.first is None:  # what came before the first message was preparation
            pace.first = done
        else:
            pace.seconds += now - self._last
        pace.done, self._last = done, now
        return pace


@contextmanager
def progress(*, bars: bool = True) -> Iterator[Listener]:
    """A listener; what it shows on a terminal goes away at the end, logs stay.

    Args:
        bars: False where results go to the same terminal meanwhile.
    """
    if not (bars and sys.stderr.isatty()):
        yield _Plain()
        return
    with _Bars() as shown:
        yield shown


def counter(listen: Listener, phase: str, unit: str = "images") -> Progress:
    """A function of (done, total) that tells a listener."""

    def count(done: int, total: int) -> None:
        listen({"kind": "progress", "phase": phase, "done": done, "total": total, "unit": unit, "note": ""})

    return count


def _pace_text(pace: Pace, unit: str) -> str:
    rate = pace.rate()
    if rate is None:
        return ""
    return f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"


def phase_of(message: dict[str, Any]) -> str:
    """The phase, behind the framework where a message names one."""
    framework = message.get("framework")
    return f"{framework}: {message['phase']}" if framework else str(message["phase"])


class _Plain:
    """Logs, and a line a phase every few seconds."""

    def __init__(self) -> None:
        self._paces = Paces()
        self._printed: dict[str, float] = {}
        self._start = time.perf_counter()

    def __call__(self, message: dict[str, Any]) -> None:
        if message["kind"] == "log":
            print(message["text"], file=sys.stderr, flush=True)
        if message["kind"] != "progress":
            return
        phase, done, total = phase_of(message), message["done"], message["total"]
        pace = self._paces.see(phase, done)
        now = time.perf_counter()
        if now - self._printed.get(phase, self._start) < PLAIN_EVERY_S:
            return
        self._printed[phase] = now
        parts = [f"{phase} {done:,}/{total:,} {message.get('unit', '')}", _pace_text(pace, message.get("unit", ""))]
        parts.append(message.get("note", ""))
        print("  ".join(part for part in parts if part), file=sys.stderr, flush=True)


class _Bars:
    """Rich's progress: one bar a phase."""

    def __init__(self) -> None:
        from rich import progress as rich

        from bakeoff.cli._output import console

        self._progress = rich.Progress(
            rich.TextColumn("{task.description}", markup=False),
            rich.BarColumn(bar_width=28, complete_style="cyan", finished_style="dim cyan"),
            rich.TextColumn("{task.percentage:>3.0f} %"),
            rich.TextColumn("{task.fields[pace]}", style="dim"),
            rich.TextColumn("{task.fields[left]}", style="dim"),
            rich.TextColumn("{task.fields[note]}", markup=False),
            console=console(stderr=True),
            transient=True,
            redirect_stdout=False,  # Rich would send results to stderr while a bar is shown
            redirect_stderr=False,
        )
        self._tasks: dict[str, Any] = {}
        self._paces = Paces()

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, message: dict[str, Any]) -> None:
        if message["kind"] == "log":
            self._progress.console.print(message["text"], markup=False)
        elif message["kind"] == "progress":
            self._show(message)

    def _show(self, message: dict[str, Any]) -> None:
        from bakeoff.cli._output import seconds

        phase, total, unit = phase_of(message), message["total"], message.get("unit", "")
        pace = self._paces.see(phase, message["done"])
        left = pace.left(total)
        fields = {
            "pace": _pace_text(pace, unit),
            "left": f"{seconds(left)} left" if left else "",
            "note": message.get("note", ""),
        }
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(phase, total=total, **fields)
        self._progress.update(self._tasks[phase], completed=message["done"], total=total, **fields)
