"""Test-time augmentation: an image is asked about as it is and mirrored, and the probabilities are averaged.

Nothing is drawn: the same images give the same answers. It costs twice the time. What writes, points or turns one way
(digits, signs) should not be mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.evaluation.kinds import of_predictions
from bakeoff.evaluation.scores import figure, right, score
from bakeoff.evaluation.statistics.paired import paired
from bakeoff.registry import nearest
from bakeoff.schemas import Array, Predictions

NAMES = ("none", "flip")
VIEWS = {"none": ("plain",), "flip": ("plain", "flip")}


def check(name: str) -> str:
    """The name, if it is one.

    Raises:
        UsageError: it isn't.
    """
    if name not in NAMES:
        raise UsageError(f"--tta {name!r}: expected one of {', '.join(NAMES)}{nearest(name, NAMES)}")
    return name


def mirrored(images: Array) -> Array:
    """Inputs of a net, (N, H, W, C), left and right exchanged."""
    return np.ascontiguousarray(images[:, :, ::-1])


def compared(
    plain: Predictions, other: Predictions, classes: Sequence[str], name: str, threshold: float = 0.5
) -> dict[str, Any]:
    """What averaging gains: plain values for JSON.

    Args:
        plain: logits of the images as they are.
        other: logits of the same images in the other view.
        classes: the class names.
        name: of the augmentation.
        threshold: the probability from which one of several labels is given.

    Returns:
        views, accuracy, accuracy_interval, loss (of several labels what they are chosen by, too), and against the plain
        images difference, interval (95 %) of the accuracy, image by image.
    """
    both = replace(plain, logits=of_predictions(plain).averaged([plain.logits, other.logits]))
    found = score(both, classes, threshold)
    pair = paired(right(both, threshold), right(plain, threshold))
    return {
        "views": list(VIEWS[name]),
        "accuracy": found.accuracy,
        "accuracy_interval": list(found.accuracy_interval),
        "loss": found.loss,
        found.choice: figure(found),
        "difference": pair.difference,
        "interval": list(pair.interval),
    }
