"""The share of pictures that are called right."""

from __future__ import annotations

import numpy as np

from bakeoff.schemas import Array


def accuracy(predicted: Array, labels: Array) -> float:
    """Correct / all, in 0..1.

    Args:
        predicted: integers, (N,).
        labels: integers, (N,).

    Raises:
        ValueError: the shapes differ, or there is no picture.
    """
    if predicted.shape != labels.shape:
        raise ValueError(f"got {predicted.shape} predictions for {labels.shape} labels, expected as many")
    if labels.size == 0:
        raise ValueError("got no picture, expected at least one")
    return float(np.mean(predicted == labels))
