"""distillation: cross-entropy against labels, and against what another net says at a temperature, in nats.

Shape    logits (N, K), targets (N, 2 K): shares of the classes, then the teacher's probabilities at `temperature`
         one logit: logits (N, 1), targets (N, 4)  ->  losses (N,)

Formula  y = (1 - share) soft_cross_entropy(logits, q) + share T^2 sum over k of t_k (log t_k - log softmax(logits/T)_k)
         Hinton et al., 2015, section 2; T^2 keeps the gradients of both parts alike when T changes

Laws     share 0: soft_cross_entropy;  share 1 and logits equal to the teacher's: y = 0

Traps    torch   kl_div takes log-probabilities first and plain ones second, and its "mean" divides by all entries
         keras   KLDivergence clips both sides at 1e-7
         zero    a teacher's probability of 0 counts 0, not NaN
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops import soft_cross_entropy as soft
from bakeoff.ops._losses import one_each
from bakeoff.ops._page import Case, Mode, rounding
from bakeoff.schemas import Array
from bakeoff.seeds import rng

LOSS, LAYOUT, shape = True, "channels_last", one_each


@dataclass(frozen=True)
class Attributes:
    """`share` is the teacher's part of the loss; `gamma` is that of the labels' part, see soft_cross_entropy."""

    temperature: float = 4.0
    share: float = 0.5
    gamma: float = 0.0

    def __post_init__(self) -> None:
        if self.temperature <= 0 or not 0 <= self.share <= 1:
            raise UnsupportedError(f"distillation: temperature {self.temperature}, share {self.share}")


def truth(mode: Mode, a: Attributes, logits: Array, labels: Array) -> Array:
    half = labels.shape[-1] // 2
    hard, teacher = labels[:, :half], labels[:, half:].astype(logits.dtype)
    z = np.concatenate([np.zeros_like(logits), logits], -1) if logits.shape[-1] == 1 else logits
    z = z / a.temperature
    z = z - z.max(-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    known = np.where(teacher > 0, teacher, 1)
    follow = (teacher * (np.log(known) - log_p)).sum(-1)
    own = soft.truth(mode, soft.Attributes(a.gamma), logits, hard)
    return np.asarray((1 - a.share) * own + a.share * a.temperature**2 * follow)


def to_torch(torch: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    half = labels.shape[-1] // 2
    hard, teacher = labels[:, :half], labels[:, half:].to(logits.dtype)
    z = torch.cat([torch.zeros_like(logits), logits], -1) if logits.shape[-1] == 1 else logits
    log_p = torch.nn.functional.log_softmax(z / a.temperature, -1)
    follow = (torch.xlogy(teacher, teacher) - teacher * log_p).sum(-1)
    own = soft.to_torch(torch, soft.Attributes(a.gamma), logits, hard)
    return (1 - a.share) * own + a.share * a.temperature**2 * follow


def to_keras(keras: Any, a: Attributes, logits: Any, labels: Any) -> Any:
    ops = keras.ops
    number = partial(ops.convert_to_tensor, dtype=logits.dtype)
    half = labels.shape[-1] // 2
    hard, teacher = labels[:, :half], ops.cast(labels[:, half:], logits.dtype)
    z = ops.concatenate([ops.zeros_like(logits), logits], -1) if logits.shape[-1] == 1 else logits
    log_p = ops.log_softmax(z / number(a.temperature), -1)
    known = ops.where(teacher > number(0), teacher, ops.ones_like(teacher))
    follow = ops.sum(teacher * (ops.log(known) - log_p), -1)
    own = soft.to_keras(keras, soft.Attributes(a.gamma), logits, hard)
    return number(1 - a.share) * own + number(a.share * a.temperature**2) * follow


CASES = {
    "half and half": Case(((7, 10),), Attributes()),
    "one logit": Case(((7, 1),), Attributes(2.0, 0.7)),
    "focal labels": Case(((7, 5),), Attributes(1.0, 0.3, 2.0)),
}
TOLERANCE = {dtype: 4 * rounding(10, dtype) for dtype in ("float32", "float64")}  # log t - log p of like sizes
MUTATIONS: dict[str, Any] = {"temperature": 4.4, "share": 0.45, "gamma": 3.0}
SHOWN = {"torch": ("half and half",), "keras": ("half and half",), "zero": ("half and half",)}


def labels_of(case: Case, seed: int = 2) -> Array:
    """One-hot shares, then probabilities, some of them 0."""
    (count, classes), *_ = case.inputs
    draw, classes = rng(seed, "labels"), max(classes, 2)
    hard = np.eye(classes)[draw.integers(0, classes, count)]
    teacher = draw.uniform(0, 1, (count, classes))
    teacher[0, 0] = 0
    return np.concatenate([hard, teacher / teacher.sum(-1, keepdims=True)], -1).astype("float32")
