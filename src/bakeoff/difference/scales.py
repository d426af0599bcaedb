"""What mean and deviation of an input say in words, and how those of two sides go over into each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.difference.account import Account, said, same
from bakeoff.difference.inputs import SCALES

KEYS = ("input.mean", "input.std")
FACTOR = 255.0


def numbers(one: Account) -> tuple[Any, Any] | None:
    """(mean, std) on the scale 0 to 1, where they are visible."""
    if not all(one.sees(key) for key in KEYS):
        return None
    mean, std = (np.asarray(one.settings[key], np.float64) for key in KEYS)
    return mean, std


def plain(one: Account) -> str | None:
    """`0 to 1`, `-1 to 1`, `0 to 255`; None where it is none of these."""
    found = numbers(one)
    if found is None:
        return None
    for name, (mean, std) in SCALES.items():
        if np.allclose(found[0], mean, atol=1e-6) and np.allclose(found[1], std, rtol=1e-5):
            return name
    return None


def rescaled(a: Account, b: Account) -> float | None:
    """The factor from a's deviations to b's, where all are the same and means go along or stay; None otherwise."""
    one, two = numbers(a), numbers(b)
    if one is None or two is None or len(one[1]) != len(two[1]):
        return None
    factors = two[1] / one[1]
    if not np.allclose(factors, factors[0], rtol=1e-3) or abs(factors[0] - 1) < 1e-3:
        return None
    along = np.allclose(two[0], one[0] * factors[0], rtol=1e-2, atol=1e-4) or np.allclose(two[0], one[0], atol=1e-4)
    return float(factors[0]) if along else None


def kind_of_change(a: Account, b: Account) -> str | None:
    """How the two normalise apart: by another "range", "twice" (255 once more), other "numbers", or None: not."""
    one, two = numbers(a), numbers(b)
    if one is None or two is None or (same(list(one[0]), list(two[0])) and same(list(one[1]), list(two[1]))):
        return None
    if plain(a) and plain(b):
        return "range"
    factor = rescaled(a, b)
    twice = factor is not None and min(abs(factor - FACTOR), abs(1 / factor - FACTOR)) < 0.5
    return "twice" if twice else "numbers"


def changed(kind: str, a: Account, b: Account) -> dict[str, Any] | None:
    """What makes a's numbers into b's, where they differ in this way."""
    return {key: b.settings[key] for key in KEYS} if kind_of_change(a, b) == kind else None


def ranges(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    """From where to where black and white come."""
    return _range(a), _range(b if numbers(b) is not None else a.switched(changes))


def _range(one: Account) -> str:
    name, found = plain(one), numbers(one)
    if name or found is None:
        return name or "not visible"
    low, high = (0 - found[0]) / found[1], (1 - found[0]) / found[1]
    return f"{said(float(low.min()))} to {said(float(high.max()))}"
