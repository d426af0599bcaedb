"""The bins of adaptive pooling: bin i of n cells into m is floor(i n / m) to ceil((i + 1) n / m)."""

from __future__ import annotations

import numpy as np

from bakeoff.ops._page import Scope
from bakeoff.schemas import Array


def bins(cells: int, count: int) -> list[tuple[int, int]]:
    """First cell and the one after the last, for each bin; they overlap where count doesn't divide the cells."""
    return [(i * cells // count, -(-(i + 1) * cells // count)) for i in range(count)]


def mean_matrix(cells: int, count: int) -> Array:
    """(count, cells): a row holds 1 / size in its bin, else 0."""
    matrix = np.zeros((count, cells))
    for row, (first, last) in zip(matrix, bins(cells, count), strict=True):
        row[first:last] = 1 / (last - first)
    return matrix


def even(scope: Scope, size: tuple[int, int]) -> tuple[int, int] | None:
    """The window that says the same, where the size is known and divides."""
    sizes = scope.shapes[0][1:3]
    known = [cells for cells in sizes if isinstance(cells, int)]
    if len(known) < 2 or known[0] % size[0] or known[1] % size[1]:
        return None
    return known[0] // size[0], known[1] // size[1]
