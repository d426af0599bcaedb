"""How well a probability ranks images of a class before all others: no threshold is chosen."""

from __future__ import annotations

import numpy as np

from bakeoff.schemas import Array


def roc_auc(scores: Array, positive: Array) -> float | None:
    """The area under the ROC curve: how often a positive scores above a negative, ties counting half.

    Mann and Whitney's U over the number of pairs; J. A. Hanley & B. J. McNeil 1982, Radiology 143, 29-36.

    Args:
        scores: (N,), higher for positive.
        positive: bool, (N,).

    Returns:
        0..1; None where there are only positives or only negatives.
    """
    positive = np.asarray(positive, dtype=bool)
    hits = int(positive.sum())
    misses = len(positive) - hits
    if not hits or not misses:
        return None
    _, place, counts = np.unique(np.asarray(scores, "float64"), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # the mean rank of equals
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def average_precision(scores: Array, positive: Array) -> float | None:
    """The area under the precision-recall curve, as the sum of precision times each gain in recall.

    Steps, no interpolation (which would flatter); equal scores are taken together. M. Zhu 2004, Recall, precision and
    average precision, University of Waterloo.

    Returns:
        0..1; None where nothing is positive.
    """
    found = precision_over_recall(scores, positive)
    if found is None:
        return None
    recall, precision = found
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def precision_over_recall(scores: Array, positive: Array) -> tuple[Array, Array] | None:
    """(recall, precision) at every threshold that tells scores apart, from the strictest on: recall rises.

    Args:
        scores: (N,), higher for positive.
        positive: bool, (N,).

    Returns:
        None where nothing is positive.
    """
    positive = np.asarray(positive, dtype=bool)
    total = int(positive.sum())
    if not total:
        return None
    order = np.argsort(-np.asarray(scores, "float64"), kind="stable")
    ranked, sorted_scores = positive[order], np.asarray(scores, "float64")[order]
    last = np.append(np.diff(sorted_scores) != 0, True)  # the last of equals
    hits, called = np.cumsum(ranked)[last], np.flatnonzero(last) + 1
    return hits / total, hits / called
