"""What a worker says to its parent: one JSON object a line, on the stdout that it started with.

{"kind": "progress", "phase": "finetune", "done": 1200, "total": 8440, "unit": "images", "rate": 930.1, "note": ""}
{"kind": "log", "text": ...}      {"kind": "result", "value": ...}      {"kind": "error", "type": ..., "message": ...}
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from bakeoff.errors import Cancelled
from bakeoff.shown import visible

Listener = Callable[[dict[str, Any]], None]
INTERVAL = 0.1  # seconds between two lines of progress
_LISTENING: list[Listener] = []  # in a worker: its parent


class Reporter:
    """Takes what a job has to say, and passes it on no more often than a person can read."""

    def __init__(self, listen: Listener | None = None) -> None:
        self._listen = listen
        self._last, self._started = 0.0, time.perf_counter()
        self._phase = ""
        self.cancelled = threading.Event()
        self.code = 130
        self.together, self.wanted = False, 0

    def listen(self, listen: Listener) -> None:
        """Pass messages on to this listener from now on."""
        self._listen = listen
        _LISTENING[:] = [listen]

    def cancel(self, code: int = 130) -> None:
        """Ask the work to stop at its next step boundary; of several workers, at the one that all agree on."""
        self.wanted = code
        if not self.together:
            self.agree(code)

    def agree(self, code: int) -> None:
        """All stop here with that exit code; 0: nobody asked for it."""
        if code:
            self.code = code
            self.cancelled.set()

    def hear_anew(self, code: int) -> None:
        """Who asked to stop with this exit code has been heard, and the work goes on with something else."""
        if self.wanted == code:
            self.wanted = 0
            self.cancelled.clear()

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Inside, whoever is asked to stop only says so (`wanted`), and all stop at one step (`agree`)."""
        self.together = True
        try:
            yield
        finally:
            self.together = False
            self.agree(self.wanted)

    def check(self, where: str) -> None:
        """Stop here if somebody asked for it.

        Raises:
            Cancelled: somebody did.
        """
        if self.cancelled.is_set():
            raise Cancelled(f"stopped {where}", self.code)

    def say(self, message: dict[str, Any]) -> None:
        """Pass a message on."""
        if self._listen:
            self._listen(message)

    def log(self, text: str) -> None:
        """A line for a person."""
        self.say({"kind": "log", "text": text})

    def stage(self, number: int, of: int, text: str) -> None:
        """One of several things that a command does one after the other begins; the first is 1."""
        self.say({"kind": "stage", "number": number, "of": of, "text": text})

    def progress(self, phase: str, done: int, total: int, note: str = "", unit: str = "images") -> None:
        """How far a phase is; the rate is over the whole phase.

        Raises:
            Cancelled: somebody asked to stop; the work so far is at a step boundary.
        """
        self.check(f"in {phase} at {done} of {total} {unit}")
        now = time.perf_counter()
        if phase != self._phase:
            self._phase, self._started, self._last = phase, now, 0.0
        if done < total and now - self._last < INTERVAL:
            return
        self._last = now
        seconds = now - self._started
        rate = done / seconds if seconds > 0 else 0.0
        self.say(
            {"kind": "progress", "phase": phase, "done": done, "total": total, "unit": unit, "rate": rate, "note": note}
        )


def tell(text: str) -> None:
    """A line for a person from where no reporter is at hand: to the parent of a worker, elsewhere to stderr."""
    if _LISTENING:
        _LISTENING[0]({"kind": "log", "text": text})
    else:
        print(visible(text), file=sys.stderr, flush=True)


def line_writer(stream: TextIO) -> Listener:
    """A listener that writes lines of JSON; safe to call from several threads."""
    lock = threading.Lock()

    def write(message: dict[str, Any]) -> None:
        text = json.dumps(message)
        with lock:
            stream.write(text + "\n")
            stream.flush()

    return write
