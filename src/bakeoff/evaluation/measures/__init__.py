"""Measures: one figure a file, named by its key in JSON; the folder is the registry.

A file has

    KINDS      the kinds of classification that it is for, and its place among the measures of each: {"single": 20}
    BETTER     "higher" or "lower"
    TEXT       what people call it: {"en": ..., "zh": ...}
    value      (judged) -> float, or None where it can't be said

and, where they differ from what most have,

    PERCENT    False: a number, no share
    SHORT      what tables of the command line call it; the English text otherwise
    RECORDED   the kinds whose run.json, loggers and epochs have it; all of its own otherwise. `evaluate` has every one
    DECIDED    True: of what is said at the threshold, where images may have several labels
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Protocol, cast

from bakeoff import registry
from bakeoff.evaluation.judged import Judged


class Measure(Protocol):
    """A file of this folder."""

    KINDS: Mapping[str, int]
    BETTER: str
    TEXT: Mapping[str, str]

    def value(self, judged: Judged) -> float | None:
        """The figure."""


def load(name: str) -> Measure:
    """The measure of that key.

    Raises:
        UsageError: there is none; the message has the nearest name.
    """
    return cast(Measure, registry.load(__name__, name))


@cache
def names(kind: str, *, recorded: bool | None = None) -> tuple[str, ...]:
    """The measures of a kind, in their order.

    Args:
        recorded: those that run.json has, or those that it hasn't; None: all.
    """
    found = {name: load(name) for name in registry.names(__name__)}
    kept = {name: one.KINDS[kind] for name, one in found.items() if kind in one.KINDS}
    if recorded is not None:
        kept = {name: place for name, place in kept.items() if (kind in _recorded(found[name])) == recorded}
    return tuple(sorted(kept, key=lambda name: (kept[name], name)))


def _recorded(measure: Measure) -> Mapping[str, int] | tuple[str, ...]:
    return cast("tuple[str, ...]", getattr(measure, "RECORDED", measure.KINDS))


def values(judged: Judged, *, recorded: bool) -> dict[str, float | None]:
    """The figures by their keys, in their order."""
    return {name: load(name).value(judged) for name in names(judged.kind.name, recorded=recorded)}


def among(keys: Iterable[str]) -> list[str]:
    """Those keys that are measures."""
    return [key for key in keys if key in registry.names(__name__)]


def title(name: str) -> str:
    """What tables of the command line call it."""
    one = load(name)
    return str(getattr(one, "SHORT", one.TEXT["en"]))


def decided(name: str) -> bool:
    """Whether it is of what is said at the threshold."""
    return bool(getattr(load(name), "DECIDED", False))


def is_share(name: str) -> bool:
    """Whether it is said in percent."""
    return bool(getattr(load(name), "PERCENT", True))
