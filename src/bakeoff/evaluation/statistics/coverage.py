"""What is gained by keeping quiet: a model that may abstain answers less, and is right more often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.schemas import Array

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Coverage:
    """At a threshold of the highest probability.

    Attributes:
        coverage: the share of the images that are answered.
        accuracy: of those; None where none is.
    """

    threshold: float
    coverage: float
    accuracy: float | None


def coverage(confidence: Array, correct: Array, thresholds: Sequence[float] = THRESHOLDS) -> tuple[Coverage, ...]:
    """Which share is answered at each threshold, and how often rightly.

    Y. Geifman & R. El-Yaniv 2017, Selective classification for deep neural networks, NeurIPS.

    Args:
        confidence: the probability of the predicted class, (N,).
        correct: bool, (N,).
    """
    found = []
    for threshold in thresholds:
        answered = np.asarray(confidence) >= threshold
        right = float(np.asarray(correct)[answered].mean()) if answered.any() else None
        found.append(Coverage(threshold, float(answered.mean()), right))
    return tuple(found)
