"""Scores that count every class alike, however many pictures it has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def recalls(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each class's pictures, the share that is called right; classes without pictures are left out.

    Args:
        table: confusion counts, (classes, classes), row = true class.
    """
    num = table.sum(1)
    return np.asarray(table.diagonal()[num > 0] / num[num > 0], dtype=np.float64)


def f1(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """2 correct / (pictures + called so) of each class, (classes,): the harmonic mean of precision and recall.

    A class without pictures that nothing is taken for has none: NaN.
    """
    both = table.sum(0) + table.sum(1)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * table.diagonal() / both, dtype=np.float64)


def balanced_accuracy(table: NDArray[np.int64]) -> float:
    """The mean recall of the classes that have pictures: 1 / classes for guessing, however unequal the classes.

    K. H. Brodersen et al. 2010, The balanced accuracy and its posterior distribution, ICPR.
    """
    return float(recalls(table).mean())


def macro_f1(table: NDArray[np.int64]) -> float:
    """The mean F1 of the classes that have pictures or are named, unweighted."""
    return float(np.nanmean(f1(table)))
