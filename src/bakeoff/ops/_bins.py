"""The bins of adaptive pooling: bin i of n elements into m is floor(i n / m) to ceil((i + 1) n / m)."""

from __future__ import annotations

import numpy as np

from bakeoff.ops._page import Scope
from bakeoff.schemas import Array


def bins(elements: int, count: int) -> list[tuple[int, int]]:
    """First element and the one after the last, for each bin; they overlap where count doesn't divide the elements."""
    return [(i * elements // count, -(-(i + 1) * elements // count)) for i in range(count)]


def mean_matrix(elements: int, count: int) -> Array:
    """(count, elements): a row holds 1 / size in its bin, else 0."""
    matrix = np.zeros((count, elements))
    for row, (first, last) in zip(matrix, bins(elements, count), strict=True):
        row[first:last] = 1 / (last - first)
    return matrix


def even(scope: Scope, size: tuple[int, int]) -> tuple[int, int] | None:
    """The window that says the same, where the size is known and divides."""
    sizes = scope.shapes[0][1:3]
    known = [elements for elements in sizes if isinstance(elements, int)]
    if len(known) < 2 or known[0] % size[0] or known[1] % size[1]:
        return None
    return known[0] // size[0], known[1] // size[1]
