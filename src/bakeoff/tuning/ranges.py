"""What a search may try for a key of the recipe, as it is written.

0.0001..0.1 log     a number between, drawn evenly in its logarithm
0.0..0.5            a number between
8..64               a whole number between
16 | 32 | 64        one of these; words, numbers, true and false
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bakeoff.errors import UsageError

_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_BETWEEN = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})(\s+log)?")


@dataclass(frozen=True)
class Between:
    """A number from low to high, both included."""

    low: float
    high: float
    whole: bool
    log: bool

    def draw(self, trial: Any, key: str) -> str:
        """A value, as `--set` takes it."""
        if self.whole:
            return str(trial.suggest_int(key, int(self.low), int(self.high), log=self.log))
        return repr(trial.suggest_float(key, self.low, self.high, log=self.log))


@dataclass(frozen=True)
class OneOf:
    """One of some values."""

    values: tuple[str, ...]

    def draw(self, trial: Any, key: str) -> str:
        """A value, as `--set` takes it."""
        return str(trial.suggest_categorical(key, list(self.values)))


Range = Between | OneOf


def parse(key: str, text: str) -> Range:
    """A range as it is written.

    Raises:
        UsageError: it is none.
    """
    found = _BETWEEN.fullmatch(text.strip())
    if found:
        low, high, log = float(found[1]), float(found[2]), bool(found[3])
        if low >= high or (log and low <= 0):
            raise UsageError(
                f"search {key}={text}: expected low..high with low below high, and above 0 where it is `log`."
            )
        whole = re.fullmatch(r"[-+]?\d+", found[1]) is not None and re.fullmatch(r"[-+]?\d+", found[2]) is not None
        return Between(low, high, whole, log)
    values = tuple(part.strip() for part in text.split("|"))
    if len(values) < 2 or not all(values) or len(set(values)) < len(values):
        raise UsageError(
            f"search {key}={text}: expected low..high, low..high log, or values with | between them.\n"
            "As: --search 'phases.0.schedule.peak=0.0001..0.1 log' --search 'phases.0.batch_size=16 | 32 | 64'"
        )
    return OneOf(values)
