"""Labels of images that have one class each, or several: what both kinds are asked.

one each    int64, (n,), positions in the class names
multilabel  uint8, (n, classes), 1 where the image shows the class; an image may show none
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE = "(none)"

Labels = NDArray[Any]


def multilabel(labels: Labels) -> bool:
    """Whether images may have several labels, or none."""
    return labels.ndim == 2


def counts(labels: Labels, classes: int) -> NDArray[np.int64]:
    """(classes,): how many images show each class."""
    if multilabel(labels):
        return np.asarray(labels.sum(0, dtype=np.int64))
    return np.bincount(labels, minlength=classes).astype(np.int64)


def members(labels: Labels, label: int) -> NDArray[np.bool_]:
    """(n,): which images show a class."""
    return labels[:, label] > 0 if multilabel(labels) else labels == label


def strata(labels: Labels) -> NDArray[np.int64]:
    """(n,): the label, or the rarest of an image's labels; -1 where it has none."""
    if not multilabel(labels):
        return labels
    rare = np.where(labels > 0, labels.sum(0, dtype=np.int64), np.iinfo(np.int64).max)
    return np.where(labels.any(1), rare.argmin(1), -1) if labels.shape[1] else np.full(len(labels), -1)


def matrix(labels: Labels, classes: int) -> NDArray[np.uint8]:
    """uint8, (n, classes), of either kind."""
    if multilabel(labels):
        return labels.astype(np.uint8, copy=False)
    found = np.zeros((len(labels), classes), np.uint8)
    found[np.arange(len(labels)), labels] = 1
    return found


def words(label: Any, classes: Sequence[str]) -> str:
    """The name of an image's label, or its names with commas between them."""
    if np.ndim(label) == 0:
        return classes[int(label)]
    return ", ".join(name for name, there in zip(classes, label, strict=True) if there) or NONE


def arranged(labels: Labels, classes: Sequence[str], wanted: Sequence[str]) -> NDArray[np.uint8]:
    """Columns in the order of `wanted`, which has all of `classes`; what is not among those is nowhere."""
    found, columns = np.zeros((len(labels), len(wanted)), np.uint8), matrix(labels, len(classes))
    for column, name in enumerate(classes):
        found[:, list(wanted).index(name)] = columns[:, column]
    return found
