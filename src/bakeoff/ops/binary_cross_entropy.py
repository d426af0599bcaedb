"""binary_cross_entropy: how surprised a classifier of two classes with one logit is by each label, in nats.

Shape    logits (N, 1), labels (N,) of 0 and 1  ->  losses (N,)

Formula  y = log(1 + exp(logit)) - q logit,   worked out as max(logit, 0) - q logit + log(1 + exp(-|logit|)): no
         overflow q = (1 - smoothing) label + smoothing / 2

Laws     binary_cross_entropy(z, 1) = binary_cross_entropy(-z, 0);  the same as softmax_cross_entropy of (0, z)

Traps    keras   a sigmoid layer before the loss (as in many tutorials) clips probabilities at 1e-7: always from logits
         torch   labels must have the dtype and the shape of the logits: (N,) against (N, 1) is refused, and in
                 hand-written code broadcasts to (N, N) without a word
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bakeoff.ops._losses import one_each
from bakeoff.ops._page import Case, Mode, roundings
from bakeoff.schemas import Array
from bakeoff.seeds import rng

LOSS, LAYOUT, shape = True, "channels_last", one_each


@dataclass(frozen=True)
class Attributes:
    """`smoothing` moves the labels 0 and 1 towards one half."""

    smoothing: float = 0.0


def truth(_: Mode, a: Attributes, logits: Array, labels: Array) -> Array:
    z = logits[:, 0]
    q = (1 - a.smoothing) * labels.astype(z.dtype) + a.smoothing / 2
    return np.asarray(np.maximum(z, 0) - q * z + np.log1p(np.exp(-np.abs(z))))


def to_torch(torch: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    z = logits[:, 0]
    q = (1 - a.smoothing) * labels.to(z.dtype) + a.smoothing / 2
    return torch.nn.functional.binary_cross_entropy_with_logits(z, q, reduction="none")


def to_keras(keras: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    ops, z = keras.ops, logits[:, 0]
    number = partial(ops.convert_to_tensor, dtype=z.dtype)
    q = ops.cast(labels, z.dtype) * number(1 - a.smoothing) + number(a.smoothing / 2)
    return ops.binary_crossentropy(q, z, from_logits=True)


CASES = {"one logit": Case(((7, 1),), Attributes()), "smoothed": Case(((7, 1),), Attributes(0.1))}
TOLERANCE = roundings(2)
MUTATIONS: dict[str, Any] = {"smoothing": 0.11}
SHOWN = {"keras": ("one logit",), "torch": ("one logit",)}


def labels_of(case: Case, seed: int = 2) -> Array:
    """Labels for a case: the logits of a case say nothing about them."""
    return rng(seed, "labels").integers(0, 2, case.inputs[0][0])
