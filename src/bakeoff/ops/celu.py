"""celu: elu with a smooth bend.

Shape    x  ->  y of the same shape, y = max(x, 0) + alpha (e^(min(x, 0) / alpha) - 1) (Barron, 2017)

Laws     alpha 1 is elu; the slope is 1 on both sides of 0

Traps    ties    the slope at 0 is 1, but 2 in TensorFlow, which adds what it takes for the slope of both parts
         keras   `celu` and `elu` differ wherever alpha is not 1
         onnx    Celu is for float32 alone, and holds alpha as one
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_fixed, keras_unary
from bakeoff.ops._page import Case, Fault, Mode, Scope, roundings
from bakeoff.ops._ties import bend, tied
from bakeoff.schemas import Array

RULES = {"tensorflow": "both", "jax": "share"}


@dataclass(frozen=True)
class Attributes:
    alpha: float = 1.0
    ties: Literal["share", "both"] = "share"


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    low = a.alpha * np.expm1(np.minimum(x, 0) / a.alpha)
    return np.asarray(np.maximum(x, 0) + low)


gradient = bend(lambda a, x: np.exp(np.minimum(x, 0) / a.alpha) + ((x == 0) & (a.ties == "both")))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    y = scope.helper(scope.lib.nn.CELU(a.alpha), x, suffix="")
    return y if a.ties == "share" else y + x.masked_fill(x != 0, 0)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    ops, z = scope.lib.ops, x if a.alpha == 1 else x * (1 / a.alpha)
    y = scope.helper(scope.lib.layers.ELU(name=scope.name), z, suffix="")
    y = y if a.alpha == 1 else y * a.alpha
    return y if a.ties == "share" else y + ops.where(ops.equal(x, 0), x, ops.zeros_like(x))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    zero, one, alpha = (scope.constant(np.asarray(number, scope.dtype)) for number in (0, 1, a.alpha))
    below = scope.emit("Exp", [scope.emit("Div", [scope.emit("Min", [x, zero]), alpha])])
    low = scope.emit("Mul", [scope.emit("Sub", [below, one]), alpha])
    return scope.emit("Add", [scope.emit("Max", [x, zero]), low])


FROM_TORCH = {"aten.celu": torch_unary("celu", alpha="alpha")}
FROM_KERAS = {
    **keras_unary("celu", "ops.Celu", ties=RULES, alpha="alpha"),
    **keras_fixed("celu", "activations.celu", ties=RULES, alpha=1.0),
}
CASES = {"images": Case(((2, 3, 4, 5),), Attributes()), "vectors, alpha 0.7": Case(((3, 7),), Attributes(0.7))}
CASES |= tied(Attributes(), Attributes(0.7, "both"))
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
FAULTS = {"torch": Fault("its backward pass takes 1 / alpha in float32", 6e-8)}
MUTATIONS: dict[str, Any] = {"alpha": 0.5, "ties": "both"}
SHOWN = {"ties": ("ties, share", "ties, both"), "keras": ("vectors, alpha 0.7",), "onnx": ("images",)}
