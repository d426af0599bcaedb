"""None of these: which images are of no class that the model knows.

An image is unknown where its features are less like every class mean than those of nearly all known images: the cosine
to the nearest mean, below a threshold. The means are those of the validation images, each of which is measured with
itself left out of the mean of its class, so that it stands where a new image would.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.bundle.layout import Unknown
from bakeoff.evaluation.kinds import of_predictions
from bakeoff.schemas import Array, Predictions

REFUSED = 0.05  # of known images, at most


def fit(features: Array, labels: Array, classes: int) -> tuple[Unknown, Array] | None:
    """Class means and threshold, and the similarity of each image, (N,).

    The threshold is the k-th smallest similarity of N, k = floor(0.05 (N + 1)): of new images of the same kind at most
    k in N + 1 are below it on average (V. Vovk et al. 2005, conformal prediction), and of these k - 1. None where that
    can't be said: fewer than 19 images, or a class that none of them shows.

    Args:
        features: of validation images, (N, n).
        labels: int64, (N,).
        classes: how many there are.
    """
    rank = int(REFUSED * (len(labels) + 1) + 1e-9)
    if rank < 1 or len(np.unique(labels)) < classes:
        return None
    units = _unit(features.astype(np.float64))
    sums = np.zeros((classes, features.shape[1]))
    np.add.at(sums, labels, units)
    cosines = units @ _unit(sums).T
    rest = _unit(sums[labels] - units)  # the means of their classes without them
    cosines[np.arange(len(labels)), labels] = (units * rest).sum(1)
    found = cosines.max(1)
    threshold = float(np.sort(found)[rank - 1])
    refused = int((found < threshold).sum())
    return Unknown(threshold, refused, len(labels), _unit(sums).astype(np.float32)), found


def similarity(features: Array, means: Array) -> Array:
    """The cosine to the nearest class mean, (N,)."""
    found: Array = (_unit(features.astype(np.float64)) @ means.T).max(1)
    return found


def figures(found: Predictions, threshold: float) -> dict[str, Any]:
    """How many images were called unknown, among right and wrong answers, and how the others fare.

    Returns:
        threshold, num, right, wrong; coverage and accuracy as of `statistics.coverage`: of those that are answered.
    """
    assert found.similarity is not None
    kind = of_predictions(found)
    right, refused = kind.right(kind.answers(found.logits), found.labels), found.similarity < threshold
    among = int((refused & right).sum())
    return {
        "threshold": threshold,
        "num": int(refused.sum()),
        "right": among,
        "wrong": int(refused.sum()) - among,
        "coverage": float(1 - refused.mean()),
        "accuracy": None if refused.all() else float(right[~refused].mean()),
    }


def _unit(rows: Array) -> Array:
    """Of length 1; zeros stay."""
    found: Array = rows / np.maximum(np.sqrt((rows * rows).sum(1, keepdims=True)), 1e-12)
    return found
