"""multi_label_cross_entropy: binary cross-entropy of every class by itself, for pictures with several labels, in nats.

Shape    logits (N, K), labels (N, K) of 0 and 1, or shares between  ->  losses (N,)

Formula  y = mean over k of max(z_k, 0) - q_k z_k + log(1 + exp(-|z_k|))

Laws     K = 1: binary_cross_entropy;  all logits 0: y = log 2

Traps    mean    over the classes, as torch's MultiLabelSoftMarginLoss and Keras's binary_crossentropy have it; papers
                 that sum have a rate K times as large
         keras   BinaryCrossentropy from probabilities clips at 1e-7: always from logits
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, Mode, rounding
from bakeoff.schemas import Array

LOSS = True
LAYOUT = "channels_last"


@dataclass(frozen=True)
class Attributes:
    """`smoothing` moves the labels 0 and 1 towards one half."""

    smoothing: float = 0.0


def shape(a: Attributes, logits: Shape, labels: Shape) -> Shape:
    return (logits[0],)


def truth(_: Mode, a: Attributes, logits: Array, labels: Array) -> Array:
    q = (1 - a.smoothing) * labels.astype(logits.dtype) + a.smoothing / 2
    y: Array = (np.maximum(logits, 0) - q * logits + np.log1p(np.exp(-np.abs(logits)))).mean(-1)
    return y


def to_torch(torch: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    q = (1 - a.smoothing) * labels.to(logits.dtype) + a.smoothing / 2
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, q, reduction="none").mean(-1)


def to_keras(keras: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    ops = keras.ops

    def number(value: float) -> Any:
        return ops.convert_to_tensor(value, dtype=logits.dtype)

    q = ops.cast(labels, logits.dtype) * number(1 - a.smoothing) + number(a.smoothing / 2)
    return ops.mean(ops.binary_crossentropy(q, logits, from_logits=True), -1)


CASES = {
    "five labels": Case(((7, 5),), Attributes()),
    "smoothed": Case(((7, 5),), Attributes(0.1)),
}
TOLERANCE = {dtype: rounding(10, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {"smoothing": 0.11}
GAPS: dict[str, str] = {}
SHOWN = {"mean": ("five labels",), "keras": ("five labels",)}


def labels_of(case: Case, seed: int = 2) -> Array:
    """Labels for a case."""
    return np.random.default_rng(seed).integers(0, 2, case.inputs[0]).astype("float32")
