"""Checks that the settings of operations share."""

from __future__ import annotations

import math

from bakeoff.errors import UsageError


def number(name: str, value: object, low: float, high: float = math.inf) -> None:
    """Refuse what is no number from `low` to `high`.

    Raises:
        UsageError: names the setting.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        limits = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of {low:g} or more"
        raise UsageError(f"{name} is {value!r}; expected a number {limits}.")


def span(name: str, value: object, low: float, high: float = math.inf) -> tuple[float, float]:
    """Two numbers in order, from `low` to `high`.

    Raises:
        UsageError: names the setting.
    """
    pair = list(value) if isinstance(value, list | tuple) else []
    if len(pair) != 2:
        raise UsageError(f"{name} is {value!r}; expected two numbers, as [0.5, 1].")
    for each in pair:
        number(name, each, low, high)
    if pair[0] > pair[1]:
        raise UsageError(f"{name} is {value!r}; expected the smaller number first.")
    return float(pair[0]), float(pair[1])
