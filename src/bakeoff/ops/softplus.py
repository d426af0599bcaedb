"""softplus: a smooth positive part.

Shape    x  ->  y of the same shape, y = ln(1 + e^(beta x)) / beta; x itself where beta x > threshold

Laws     y > 0; softplus(x) - softplus(-x) = x

Traps    torch   above the threshold (20) it is x: 2e-9 away, which float64 shows. Keras has no threshold
         keras   no beta: x is multiplied first and the answer divided
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import Call, Case, Mode, Scope, roundings
from bakeoff.schemas import Array

NEVER = float("inf")  # a threshold that nothing passes


@dataclass(frozen=True)
class Attributes:
    """A `threshold` of None: none, as in Keras."""

    beta: float = 1.0
    threshold: float | None = 20.0


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    z = a.beta * x
    y: Array = np.logaddexp(z, np.zeros((), x.dtype)) / a.beta
    return y if a.threshold is None else np.where(z > a.threshold, x, y)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    threshold = NEVER if a.threshold is None else a.threshold
    return scope.helper(scope.lib.nn.Softplus(a.beta, threshold), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    y = scope.lib.ops.softplus(x * a.beta if a.beta != 1 else x)
    y = y if a.beta == 1 else y / a.beta
    return y if a.threshold is None else scope.lib.ops.where(x * a.beta - a.threshold > 0, x, y)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    beta = scope.constant(np.asarray(a.beta, scope.dtype))
    z = x if a.beta == 1 else scope.emit("Mul", [x, beta])
    y = scope.emit("Softplus", [z])
    y = y if a.beta == 1 else scope.emit("Div", [y, beta])
    if a.threshold is None:
        return y
    above = scope.emit("Greater", [z, scope.constant(np.asarray(a.threshold, scope.dtype))])
    return scope.emit("Where", [above, x, y])


def from_log_sigmoid(call: Call) -> Any:
    """-softplus(-x)."""
    negative = call.emit("neg", {}, call["self"])
    return call.emit("neg", {}, call.emit("softplus", {"beta": 1.0, "threshold": None}, negative))


FROM_TORCH = {
    "aten.softplus": torch_unary("softplus", beta="beta", threshold="threshold"),
    "aten.log_sigmoid": from_log_sigmoid,
}
FROM_KERAS = keras_unary("softplus", "activations.softplus", "ops.Softplus")
CASES = {
    "images": Case(((2, 3, 4, 5),), Attributes()),
    "vectors, beta 2": Case(((3, 7),), Attributes(2.0), scale=8.0),
    "without a threshold": Case(((3, 7),), Attributes(threshold=None), scale=8.0),
    "a low threshold": Case(((3, 7),), Attributes(threshold=1.0), scale=2.0),
}
# an exponential and a logarithm; TensorFlow is x itself above 13.9 in float32 and above 34 in float64: 1 ulp
TOLERANCE = roundings(2)
MUTATIONS: dict[str, Any] = {"beta": 1.5, "threshold": 0.5}
SHOWN = {"torch": ("a low threshold",), "keras": ("vectors, beta 2", "without a threshold")}
