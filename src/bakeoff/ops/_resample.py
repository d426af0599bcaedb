"""Interpolation as a matrix along one axis: row i holds what each old place gives to the new place i.

The formulas are those of PyTorch (aten/src/ATen/native/UpSample.h, cpu/UpSampleKernel.cpp): half-pixel centres or
aligned corners; the cubic of Keys with a = -0.75, and -0.5 with antialias; then the filter widens by the
factor by which the image shrinks, and the weights are divided by their sum.
"""

from __future__ import annotations

import math

import numpy as np

from bakeoff.schemas import Array


def matrix(old: int, new: int, mode: str, align_corners: bool, antialias: bool, scale: float | None = None) -> Array:
    """(new, old) in float64.

    Args:
        old, new: sizes.
        mode: "nearest", "nearest_exact", "bilinear" or "bicubic".
        align_corners: the outermost elements meet; else the outermost edges do.
        antialias: widen the filter where the image shrinks.
        scale: of the places, where it isn't new / old.
    """
    step = old / new if scale is None else 1 / scale
    if antialias:
        return _filtered(old, new, step, 1.0 if mode == "bilinear" else 2.0, mode)
    found = np.zeros((new, old))
    for row in range(new):
        for place, weight in _neighbours(row, old, new, step, mode, align_corners):
            found[row, min(max(place, 0), old - 1)] += weight
    return found


def _neighbours(row: int, old: int, new: int, step: float, mode: str, align_corners: bool) -> list[tuple[int, float]]:
    if mode == "nearest":
        return [(min(math.floor(row * step), old - 1), 1.0)]
    if mode == "nearest_exact":
        return [(min(math.floor((row + 0.5) * step), old - 1), 1.0)]
    if align_corners:
        place = row * (old - 1) / (new - 1) if new > 1 else 0.0
    else:
        place = (row + 0.5) * step - 0.5
        place = max(place, 0.0) if mode == "bilinear" else place
    first = math.floor(place)
    rest = place - first
    if mode == "bilinear":
        return [(first, 1 - rest), (first + 1, rest)]
    return [(first + k, cubic(rest - k, -0.75)) for k in (-1, 0, 1, 2)]


def cubic(distance: float, a: float) -> float:
    """Keys, Cubic convolution interpolation for digital image processing, 1981, formula 15."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def _filtered(old: int, new: int, step: float, reach: float, mode: str) -> Array:
    wide = max(step, 1.0)
    support = reach * wide
    found = np.zeros((new, old))
    for row in range(new):
        centre = step * (row + 0.5)
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), old)
        places = [(place - centre + 0.5) / wide for place in range(first, last)]
        weights = np.array([max(1 - abs(p), 0.0) if mode == "bilinear" else cubic(p, -0.5) for p in places])
        found[row, first:last] = weights / weights.sum()
    return found
