"""Whether a probability of 0.8 is right four times in five, and temperature scaling, one number that mends it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bakeoff.evaluation.kinds import losses
from bakeoff.schemas import Array

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Images whose highest probability lies in `low`..`high`: how sure the model was, and how often right."""

    low: float
    high: float
    num: int
    confidence: float
    accuracy: float


def reliability(confidence: Array, correct: Array, bins: int = BINS) -> tuple[Bin, ...]:
    """Bins of equal width over 0..1, the empty ones left out.

    Args:
        confidence: the probability of the predicted class, (N,).
        correct: bool, (N,).
    """
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    found = []
    for index in np.unique(place):
        here = place == index
        sure, right = float(confidence[here].mean()), float(np.asarray(correct)[here].mean())
        found.append(Bin(index / bins, (index + 1) / bins, int(here.sum()), sure, right))
    return tuple(found)


def calibration_error(confidence: Array, correct: Array, bins: int = BINS) -> float:
    """The expected calibration error: the mean of |accuracy - confidence| over the bins, by their images.

    M. P. Naeini, G. F. Cooper & M. Hauskrecht 2015, AAAI; 15 bins as C. Guo et al. 2017, ICML.
    """
    rows = reliability(confidence, correct, bins)
    return sum(row.num * abs(row.accuracy - row.confidence) for row in rows) / sum(row.num for row in rows)


def temperature(logits: Array, labels: Array) -> float:
    """The T > 0 for which logits / T have the least cross-entropy; the labels called stay the same.

    C. Guo et al. 2017, On calibration of modern neural networks, ICML. The loss is convex in 1 / T: a golden-section
    search over log T from 0.05 to 20 finds it to 1e-4.

    Args:
        logits: (N, classes) or (N, 1), of images that no training has seen: the validation set.
        labels: (N,); where images may have several, (N, classes).
    """
    ratio = (np.sqrt(5) - 1) / 2
    low, high = np.log(0.05), np.log(20.0)

    def loss(log_t: float) -> float:
        return float(np.mean(losses(logits.astype("float64") / np.exp(log_t), labels)))

    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-4:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = loss(right)
    return float(np.exp((low + high) / 2))
