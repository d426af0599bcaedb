"""Pictures with several labels: F1 over all answers, and the threshold from which an answer is yes.

micro   2 hits / (2 hits + false alarms + misses), counted over all classes together: frequent classes weigh more
macro   the mean of the classes' own F1: each class weighs the same
"""

from __future__ import annotations

import numpy as np

from bakeoff.schemas import Array


def f1(said: Array, labels: Array) -> tuple[float | None, float | None]:
    """(micro, macro) F1.

    Args:
        said: bool, (N, classes).
        labels: of 0 and 1, (N, classes).

    Returns:
        None where nothing was there and nothing was said; classes of which both is true have no part in the mean.
    """
    truth = np.asarray(labels) > 0
    hits, weight = (said & truth).sum(0), said.sum(0) + truth.sum(0)
    known = weight > 0
    if not known.any():
        return None, None
    return float(2 * hits.sum() / weight.sum()), float(np.mean(2 * hits[known] / weight[known]))


def best_threshold(chances: Array, labels: Array) -> float:
    """The probability from which to say yes, with the best micro F1 on these pictures; the middle between two answers.

    Of equals, the nearest to one half. Choose it on pictures that it is not judged by.

    Args:
        chances: probabilities (N, classes).
        labels: of 0 and 1, (N, classes).

    Returns:
        0..1; 0.5 where no label is there to find.
    """
    truth = (np.asarray(labels) > 0).ravel()
    if not truth.any():
        return 0.5
    order = np.argsort(-np.asarray(chances, "float64").ravel(), kind="stable")
    sorted_chances = np.asarray(chances, "float64").ravel()[order]
    last = np.append(np.diff(sorted_chances) != 0, True)  # equals are said or not said together
    hits, called = np.cumsum(truth[order])[last], np.flatnonzero(last) + 1
    scores = 2 * hits / (called + truth.sum())
    levels = sorted_chances[last]
    middles = (levels + np.append(levels[1:], 0.0)) / 2
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(middles[best[np.argmin(np.abs(middles[best] - 0.5))]])
