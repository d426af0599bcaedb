"""soft_cross_entropy: cross-entropy against shares of the classes instead of one label; focal where asked for, in nats.

Shape    logits (N, K), shares (N, K)  ->  losses (N,);   one logit: logits (N, 1), shares (N, 2)

Formula  y = - sum over k of q_k (1 - p_k)^gamma log p_k,   p = softmax(logits); of one logit z: of (0, z)
         gamma 0: plain cross-entropy; more of it lets easy images count less (Lin et al., 2017, equation 4)
         Smoothed labels, mixed images and class weights are all shares: a weight w is shares that add up to w.

Laws     one-hot shares and gamma 0: softmax_cross_entropy;  w q: w times the loss;  y >= 0

Traps    keras   categorical_crossentropy takes shares to add up to 1: with others its gradient on TensorFlow is wrong
                 (softmax - q instead of (sum of q) softmax - q); so the sum is written out
         gamma   0 < gamma < 1 has an infinite slope at p = 1: refused
         torch   sigmoid_focal_loss of torchvision is binary, from one logit per class, and has its own alpha
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._losses import check_gamma, one_each
from bakeoff.ops._page import Case, Mode, roundings
from bakeoff.schemas import Array
from bakeoff.seeds import rng

LOSS, LAYOUT, shape = True, "channels_last", one_each


@dataclass(frozen=True)
class Attributes:
    """`gamma` is the focusing strength, 0 for none."""

    gamma: float = 0.0

    def __post_init__(self) -> None:
        check_gamma(self.gamma)


def truth(_: Mode, a: Attributes, logits: Array, labels: Array) -> Array:
    z = np.concatenate([np.zeros_like(logits), logits], -1) if logits.shape[-1] == 1 else logits
    z = z - z.max(-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    terms = labels.astype(z.dtype) * log_p
    if a.gamma:
        terms = terms * (-np.expm1(log_p)) ** a.gamma
    return np.asarray(-terms.sum(-1))


def to_torch(torch: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    z = torch.cat([torch.zeros_like(logits), logits], -1) if logits.shape[-1] == 1 else logits
    log_p = torch.nn.functional.log_softmax(z, -1)
    terms = labels.to(z.dtype) * log_p
    if a.gamma:
        terms = terms * (-torch.expm1(log_p)) ** a.gamma
    return -terms.sum(-1)


def to_keras(keras: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    ops = keras.ops
    z = ops.concatenate([ops.zeros_like(logits), logits], -1) if logits.shape[-1] == 1 else logits
    log_p = ops.log_softmax(z, -1)
    terms = ops.cast(labels, z.dtype) * log_p
    if a.gamma:
        terms = terms * ops.power(-ops.expm1(log_p), ops.convert_to_tensor(a.gamma, dtype=z.dtype))
    return -ops.sum(terms, -1)


CASES = {
    "shares": Case(((7, 10),), Attributes()),
    "one logit": Case(((7, 1),), Attributes()),
    "focal": Case(((7, 10),), Attributes(2.0)),
    "focal, one logit": Case(((9, 1),), Attributes(1.5)),
}
TOLERANCE = roundings(10)
MUTATIONS: dict[str, Any] = {"gamma": 2.1}
SHOWN = {"keras": ("shares",), "gamma": ("focal",), "torch": ("focal",)}


def labels_of(case: Case, seed: int = 2) -> Array:
    """Shares for a case: of many sums, as class weights make them."""
    (count, classes), *_ = case.inputs
    return rng(seed, "labels").uniform(0, 1, (count, max(classes, 2))).astype("float32")
