"""Test-time augmentation: a picture is asked about as it is and mirrored, and the probabilities are averaged.

Nothing is drawn: the same pictures give the same answers. It costs twice the time. What writes, points or turns one way
(digits, signs) should not be mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.evaluation.measures.paired import paired
from bakeoff.evaluation.scores import figure, right, score
from bakeoff.registry import nearest
from bakeoff.schemas import Array, MultilabelScore, Predictions

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


def averaging(predict: Callable[[Array], Array], name: str, *, multilabel: bool) -> Callable[[Array], Array]:
    """A function from images to logits that averages over the views; `predict` itself for none."""
    if name == "none":
        return predict
    return lambda images: averaged([predict(images), predict(mirrored(images))], multilabel=multilabel)


def averaged(parts: Sequence[Array], *, multilabel: bool) -> Array:
    """Logits whose probabilities are the mean of those of the parts, in float64.

    Args:
        parts: logits (N, classes), or (N, 1) for one binary logit, of the same pictures.
        multilabel: whether each class is a question of its own.
    """
    wide = np.stack([part.astype("float64") for part in parts])
    if multilabel or wide.shape[-1] == 1:
        yes, no = (-np.logaddexp(0.0, sign * wide) for sign in (-1.0, 1.0))
        found: Array = np.logaddexp.reduce(yes, axis=0) - np.logaddexp.reduce(no, axis=0)
        return found
    shares = wide - np.logaddexp.reduce(wide, axis=-1, keepdims=True)
    mean: Array = np.logaddexp.reduce(shares, axis=0) - np.log(len(parts))
    return mean


def compared(
    plain: Predictions, other: Predictions, classes: Sequence[str], name: str, threshold: float = 0.5
) -> dict[str, Any]:
    """What averaging gains: plain values for JSON.

    Args:
        plain: logits of the pictures as they are.
        other: logits of the same pictures in the other view.
        classes: the class names.
        name: of the augmentation.
        threshold: the probability from which one of several labels is given.

    Returns:
        views, accuracy, accuracy_interval, loss (and mean_average_precision of several labels), and against the plain
        pictures difference, interval (95 %) of the accuracy, picture by picture.
    """
    both = Predictions(averaged([plain.logits, other.logits], multilabel=plain.multilabel), plain.labels, plain.records)
    found = score(both, classes, threshold)
    pair = paired(right(both, threshold), right(plain, threshold))
    more = {"mean_average_precision": figure(found)} if isinstance(found, MultilabelScore) else {}
    return {
        "views": list(VIEWS[name]),
        "accuracy": found.accuracy,
        "accuracy_interval": list(found.accuracy_interval),
        "loss": found.loss,
        **more,
        "difference": pair.difference,
        "interval": list(pair.interval),
    }
