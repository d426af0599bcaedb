"""Which class is taken for which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.schemas import Array


def confusion(predicted: Array, labels: Array, classes: int) -> NDArray[np.int64]:
    """Counts, (classes, classes): row = true class, column = predicted class.

    Raises:
        ValueError: the shapes differ, or a label or prediction is not within 0..classes - 1.
    """
    if predicted.shape != labels.shape:
        raise ValueError(f"got {predicted.shape} predictions for {labels.shape} labels, expected as many")
    both = np.concatenate([predicted, labels])
    if both.size and (both.min() < 0 or both.max() >= classes):
        raise ValueError(f"got labels from {both.min()} to {both.max()}, expected 0 to {classes - 1}")
    cells = labels.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)
