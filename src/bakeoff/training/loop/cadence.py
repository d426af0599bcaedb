"""How often a checkpoint is written: `30s`, `5m`, `100` or `100 steps`."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from bakeoff.errors import UsageError

DEFAULT = "30s"
_SECONDS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
SHARE = 0.05  # of the time that saving may take, where the user asked for seconds


@dataclass(frozen=True)
class Every:
    """Seconds or steps, exactly one of them."""

    seconds: float | None = None
    steps: int | None = None


def parse(text: str) -> Every:
    """What the user asked for.

    Raises:
        UsageError: neither a time nor a number of steps.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    number, unit = (float(match[1]), match[2]) if match else (0.0, "?")
    if number > 0 and unit in _SECONDS:
        return Every(seconds=number * _SECONDS[unit])
    if number >= 1 and number == int(number) and unit in ("", "step", "steps"):
        return Every(steps=int(number))
    raise UsageError(f"--checkpoint-every {text!r}: expected a time or a number of steps, as 30s, 5m or '100 steps'.")


def seconds_of(text: str, option: str = "--budget") -> float:
    """`90s`, `10m` or `1h` in seconds.

    Raises:
        UsageError: it is none of them.
    """
    try:
        found = float(text[:-1]) * _SECONDS[text[-1:]]
    except (KeyError, ValueError):
        found = 0.0
    if not 0 < found < float("inf"):
        raise UsageError(f"{option} {text}: expected a time above 0, as 90s, 10m or 1h.")
    return found


class Cadence:
    """Says when the next checkpoint is due. A slow disk is not asked more often than SHARE of the time allows."""

    def __init__(self, every: Every, step: int = 0) -> None:
        self.every = every
        self._step, self._time, self._cost = step, time.monotonic(), 0.0

    def due(self, step: int) -> bool:
        """Whether one should be written at this step boundary."""
        if self.every.steps is not None:
            return step > self._step and (step % self.every.steps == 0 or step - self._step >= self.every.steps)
        assert self.every.seconds is not None
        return time.monotonic() - self._time >= max(self.every.seconds, self._cost / SHARE)

    def wrote(self, step: int, seconds: float) -> None:
        """One was written, in so many seconds."""
        self._step, self._time, self._cost = step, time.monotonic(), seconds

    def stretch(self, step: int, size: int) -> int:
        """How many steps may be taken at once, at most `size`: every multiple of the steps asked for is met."""
        if self.every.steps is None:
            return size
        done = step % self.every.steps
        return min(size - done % size, self.every.steps - done)
