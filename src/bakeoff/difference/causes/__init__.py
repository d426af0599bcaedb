"""What makes two sides differ, one cause a file: where it shows, how it is seen and switched, what to write instead.

A file has
    STAGE     where it acts, of `STAGES`
    WORLD     "predict": it shows in answers to images; "train": in steps of training; "both": the default of a net and
              of an input's numbers, "predict" that of the rest
    KEYS      the settings that are one choice; `*` stands for anything
    SAYS      the sentence, of {a} and {b}, the two values
    TORCH, KERAS: the line to write in either framework, of {value}: what the other side has
and, where KEYS are not all,
    BOTH      settings that both sides must have, and ALIKE, those that mustn't differ: without them it means nothing
    GUESSES   settings that sides are often found to have, which are tried where one doesn't show its own; EACH: values
              by setting, for all its layers
    ALONE     whether guesses are slow to ask, so that they aren't tried together with others; the default: False
    suspect   (a, b) -> the settings of b that make a's choice into b's, or None; the default: what of KEYS differs
    guesses   (a) -> GUESSES that depend on a
    values    (a, b, changes) -> the two values as words
A cause is only suspected by what it sees. It is named when switching it alone closes the gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from bakeoff import registry
from bakeoff.difference.account import Account as Account
from bakeoff.difference.account import apart, said, same

STAGES = (
    *("decode", "orient", "resize", "channels", "normalise", "net", "output"),
    *("data", "start", "loss", "optimizer", "schedule", "training", "evaluation"),
)
Changes = Mapping[str, Any]
Guesses = Iterable[Changes]


class Cause:
    """One file of this folder, with what it leaves out."""

    def __init__(self, name: str) -> None:
        self.name, self.module = name, registry.load(__name__, name, what="cause")
        self.stage: str = self.module.STAGE
        usual = "both" if self.stage in ("net", "normalise", "channels") else "predict"
        self.world: str = getattr(self.module, "WORLD", usual)
        self.keys: tuple[str, ...] = self.module.KEYS
        self.alone: bool = getattr(self.module, "ALONE", False)

    def suspect(self, a: Account, b: Account) -> Changes | None:
        """What makes a's choice into b's, where they differ in it."""
        own = getattr(self.module, "suspect", None)
        has = all(one.settings.get(key) for key in getattr(self.module, "BOTH", ()) for one in (a, b))
        if not has or any(differs(a, b, key) for key in getattr(self.module, "ALIKE", ())):
            return None
        return own(a, b) if own else differing(a, b, self.keys)

    def guesses(self, a: Account) -> Iterator[Changes]:
        """Choices of others."""
        own = getattr(self.module, "guesses", None)
        yield from own(a) if own else getattr(self.module, "GUESSES", ())
        for pattern, values in getattr(self.module, "EACH", {}).items():
            for key in [key for key in a.settings if fnmatchcase(key, pattern)]:
                yield from ({key: (value,) * len(a.settings[key])} for value in values)

    def values(self, a: Account, b: Account, changes: Changes) -> tuple[str, str]:
        """The two choices in words."""
        own = getattr(self.module, "values", None)
        if own:
            found: tuple[str, str] = own(a, b, changes)
            return found
        keys = sorted(key for key in changes if claims(self.keys, key))
        pairs = [_words(a.settings.get(key), b.settings.get(key, changes[key])) for key in keys]
        return tuple(", ".join(dict.fromkeys(pair[side] for pair in pairs)) for side in (0, 1))  # type: ignore[return-value]

    def fix(self, value: str) -> dict[str, str]:
        """The line to write in either framework, for the other side's value."""
        lines = {"torch": self.module.TORCH, "keras": self.module.KERAS}
        return {name: line.replace("{value}", value) for name, line in lines.items()}


def _words(one: Any, two: Any) -> tuple[str, str]:
    """Two values; of values a layer, those of the layers that differ."""
    if isinstance(one, tuple) and isinstance(two, tuple) and len(one) == len(two) and one != two:
        apart = [(x, y) for x, y in zip(one, two, strict=True) if not same(x, y)]
        sides = [list(dict.fromkeys(said(pair[side]) for pair in apart)) for side in (0, 1)]
        if all(len(side) == 1 for side in sides):
            return sides[0][0], sides[1][0]
    return ("not visible" if one is None else said(one)), ("not visible" if two is None else said(two))


@cache
def every() -> tuple[Cause, ...]:
    """All causes, in the order of their stages."""
    found = [Cause(name) for name in registry.names(__name__)]
    return tuple(sorted(found, key=lambda one: (STAGES.index(one.stage), one.name)))


def claims(patterns: Iterable[str], key: str) -> bool:
    """Whether a key is one of these; `*` stands for anything."""
    return any(fnmatchcase(key, one) for one in patterns)


def differs(a: Account, b: Account, key: str) -> bool:
    """Whether both show a setting, and it differs."""
    return a.sees(key) and b.sees(key) and not same(a.settings[key], b.settings[key])


def differing(a: Account, b: Account, patterns: Iterable[str]) -> Changes | None:
    """The values of b where both show one and they differ; None where there are none."""
    return {key: b.settings[key] for key in apart(a, b) if claims(patterns, key)} or None
