"""multi_label_cross_entropy: binary cross-entropy of every class by itself, for images with several labels, in nats.

Shape    logits (N, K), labels (N, K) of 0 and 1, or shares between  ->  losses (N,)

Formula  y = mean over k of  w_k q_k (1 - p_k)^gamma log(1 + exp(-z_k)) + (1 - q_k) p_k^gamma log(1 + exp(z_k))
         p = 1 / (1 + exp(-z));   q = (1 - smoothing) label + smoothing / 2
         gamma 0 and w 1: max(z_k, 0) - q_k z_k + log(1 + exp(-|z_k|))
         gamma more: easy answers count less (Lin et al., 2017, equation 4, without its alpha)

Laws     K = 1: binary_cross_entropy;  all logits 0, gamma 0, w 1: y = log 2

Traps    mean    over the classes, as torch's MultiLabelSoftMarginLoss and Keras's binary_crossentropy have it; papers
                 that sum have a rate K times as large
         torch   softplus is the identity beyond 20, which is 2e-9 off: logsigmoid isn't
         keras   BinaryCrossentropy from probabilities clips at 1e-7: always from logits; it has no weight of positives
         weights of the positives alone, as torch's pos_weight: a weight of both sides would only change a class's rate
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bakeoff.ops._losses import check_gamma, one_each
from bakeoff.ops._page import Case, Mode, roundings
from bakeoff.schemas import Array
from bakeoff.seeds import rng

LOSS, LAYOUT, shape = True, "channels_last", one_each


@dataclass(frozen=True)
class Attributes:
    """`smoothing` moves the labels 0 and 1 towards one half; `gamma` focuses; `weights` are of the classes' positives
    (none: 1 each).
    """

    smoothing: float = 0.0
    gamma: float = 0.0
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_gamma(self.gamma)


def truth(_: Mode, a: Attributes, logits: Array, labels: Array) -> Array:
    q = (1 - a.smoothing) * labels.astype(logits.dtype) + a.smoothing / 2
    tail = np.log1p(np.exp(-np.abs(logits)))
    yes, no = np.maximum(-logits, 0) + tail, np.maximum(logits, 0) + tail
    if a.gamma:
        yes, no = yes * np.exp(-a.gamma * no), no * np.exp(-a.gamma * yes)  # 1 - p = exp(-no), p = exp(-yes)
    if a.weights:
        yes = yes * np.array(a.weights, logits.dtype)
    return np.asarray((q * yes + (1 - q) * no).mean(-1))


def to_torch(torch: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    q = (1 - a.smoothing) * labels.to(logits.dtype) + a.smoothing / 2
    weights = torch.tensor(a.weights, dtype=logits.dtype, device=logits.device) if a.weights else None
    functions = torch.nn.functional
    if not a.gamma:
        return functions.binary_cross_entropy_with_logits(logits, q, reduction="none", pos_weight=weights).mean(-1)
    yes, no = -functions.logsigmoid(logits), -functions.logsigmoid(-logits)
    yes, no = yes * torch.sigmoid(-logits) ** a.gamma, no * torch.sigmoid(logits) ** a.gamma
    yes = yes if weights is None else yes * weights
    return (q * yes + (1 - q) * no).mean(-1)


def to_keras(keras: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    ops = keras.ops
    number = partial(ops.convert_to_tensor, dtype=logits.dtype)
    q = ops.cast(labels, logits.dtype) * number(1 - a.smoothing) + number(a.smoothing / 2)
    if not a.gamma and not a.weights:
        return ops.mean(ops.binary_crossentropy(q, logits, from_logits=True), -1)
    yes, no = ops.softplus(-logits), ops.softplus(logits)
    if a.gamma:
        yes = yes * ops.power(ops.sigmoid(-logits), number(a.gamma))
        no = no * ops.power(ops.sigmoid(logits), number(a.gamma))
    if a.weights:
        yes = yes * number(list(a.weights))
    return ops.mean(q * yes + (number(1.0) - q) * no, -1)


CASES = {
    "five labels": Case(((7, 5),), Attributes()),
    "smoothed": Case(((7, 5),), Attributes(0.1)),
    "weighted": Case(((7, 5),), Attributes(0.0, 0.0, (0.5, 1.0, 2.0, 4.0, 8.0))),
    "focal, all of it": Case(((7, 5),), Attributes(0.1, 2.0, (0.5, 1.0, 2.0, 4.0, 8.0))),
}
TOLERANCE = roundings(20)  # five terms of up to four roundings
MUTATIONS: dict[str, Any] = {"smoothing": 0.11, "gamma": 2.1, "weights": (0.5, 1.0, 2.1, 4.0, 8.0)}
SHOWN = {"mean": ("five labels",), "keras": ("five labels",), "weights": ("weighted",)}


def labels_of(case: Case, seed: int = 2) -> Array:
    """Labels for a case."""
    return rng(seed, "labels").integers(0, 2, case.inputs[0]).astype("float32")
