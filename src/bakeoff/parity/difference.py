"""How far two arrays are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from bakeoff.schemas import Array, Check


def relative(found: Array, expected: Array) -> float:
    """max |found - expected| / max |expected|; infinite where either holds what isn't finite, or the shapes differ.

    Two arrays of zeros are the same; anything against zeros alone is infinitely far.
    """
    if found.shape != expected.shape:
        return math.inf
    a, b = np.asarray(found, "float64"), np.asarray(expected, "float64")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.inf
    difference, scale = float(np.abs(a - b).max(initial=0.0)), float(np.abs(b).max(initial=0.0))
    if difference == 0.0:
        return 0.0
    return difference / scale if scale else math.inf


def largest(
    found: Mapping[str, Array], expected: Mapping[str, Array], *, floor: Mapping[str, float] | None = None
) -> tuple[float, str]:
    """The largest relative difference over arrays of the same paths, and its path.

    Args:
        floor: by path, an absolute size below which an array counts as that size: for gradients that are zero in exact
            arithmetic (a bias before batch normalisation) and hold nothing but rounding.

    Paths that one side lacks are infinitely far.
    """
    missing = set(found) ^ set(expected)
    if missing:
        return math.inf, min(missing)
    worst = (0.0, "")
    for path in sorted(expected):
        difference = relative(found[path], expected[path])
        scale = float(np.abs(np.asarray(expected[path], "float64")).max(initial=0.0))
        if floor and math.isfinite(difference) | (scale == 0.0) and scale < floor.get(path, 0.0):
            gap = np.abs(np.asarray(found[path], "float64") - np.asarray(expected[path], "float64")).max(initial=0.0)
            difference = float(gap) / floor[path] if math.isfinite(gap) else math.inf
        if difference > worst[0]:
            worst = (difference, path)
    return worst


def check(name: str, difference: float, tolerance: float, detail: str = "") -> Check:
    """The verdict: passed when the difference is finite and at most the tolerance."""
    return Check(name, difference, tolerance, math.isfinite(difference) and difference <= tolerance, detail)
