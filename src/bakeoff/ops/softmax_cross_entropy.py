"""softmax_cross_entropy: how surprised a classifier is by each label, in nats.

Shape    logits (N, K), labels (N,) integers  ->  losses (N,)

Formula  y = log(sum over k of exp(logits_k)) - sum over k of q_k logits_k
         q_k = (1 - smoothing) [k = label] + smoothing / K          (Szegedy et al., 2016, section 7)
         The maximum is taken off the logits first, so that exp can't overflow.

Laws     softmax_cross_entropy(logits + c) = softmax_cross_entropy(logits);  y >= 0;  all logits equal: y = log K

Traps    keras   from probabilities it clips at 1e-7 (a loss of 27.6 comes out as 16.1): always from logits; its loss
                 objects compute in float32 unless told otherwise, so the function is used
         mean    torch and Keras both divide by the batch, but torch divides by the sum of class weights where there are
                 any: here each image has its own loss, and the mean is written once outside
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._losses import one_each
from bakeoff.ops._page import Case, Mode, roundings
from bakeoff.schemas import Array
from bakeoff.seeds import rng

LOSS, LAYOUT, shape = True, "channels_last", one_each


@dataclass(frozen=True)
class Attributes:
    """`smoothing` is the share of the label's weight that is spread over all classes."""

    smoothing: float = 0.0


def truth(_: Mode, a: Attributes, logits: Array, labels: Array) -> Array:
    logits = logits - logits.max(-1, keepdims=True)
    log_total = np.log(np.exp(logits).sum(-1))
    target = np.take_along_axis(logits, labels[:, None].astype(np.int64), -1)[:, 0]
    return np.asarray(log_total - (1 - a.smoothing) * target - a.smoothing * logits.mean(-1))


def to_torch(torch: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=a.smoothing)


def to_keras(keras: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    ops = keras.ops
    q = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)  # the sparse form turns float64 on JAX under x64
    if a.smoothing:
        q = q * ops.convert_to_tensor(1 - a.smoothing, dtype=logits.dtype)
        q = q + ops.convert_to_tensor(a.smoothing / logits.shape[-1], dtype=logits.dtype)
    return ops.categorical_crossentropy(q, logits, from_logits=True)


CASES = {
    "ten classes": Case(((7, 10),), Attributes()),
    "two classes": Case(((5, 2),), Attributes()),
    "smoothed": Case(((7, 10),), Attributes(0.1)),
}
TOLERANCE = roundings(10)
MUTATIONS: dict[str, Any] = {"smoothing": 0.11}
SHOWN = {"keras": ("ten classes",), "mean": ("ten classes",)}


def labels_of(case: Case, seed: int = 2) -> Array:
    """Labels for a case: the logits of a case say nothing about them."""
    (count, classes), *_ = case.inputs
    return rng(seed, "labels").integers(0, classes, count)
