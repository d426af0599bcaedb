"""tanh: the hyperbolic tangent.

Shape    x  ->  y of the same shape, y = (e^x - e^-x) / (e^x + e^-x)

Laws     |y| <= 1; tanh(-x) = -tanh(x)

Traps    xla     JAX and compiled TensorFlow take a rational approximation in float32: a few ulps apart, not bit for bit
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, Mode, Scope, rounding
from bakeoff.ops._raise import torch_unary
from bakeoff.ops._raise_keras import keras_unary
from bakeoff.schemas import Array

LAYOUT = "elementwise"


@dataclass(frozen=True)
class Attributes:
    pass


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.tanh(x)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.helper(scope.lib.nn.Tanh(), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.helper(scope.lib.layers.Activation("tanh", name=scope.name), x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Tanh", [x])


FROM_TORCH = {"aten.tanh": torch_unary("tanh")}
FROM_KERAS = keras_unary("tanh", "activations.tanh", "ops.Tanh")
CASES = {
    "pictures": Case(((2, 3, 4, 5),), Attributes()),
    "many, so that both ends are reached": Case(((4, 400),), Attributes(), scale=4.0),
}
# one function, correct to a few ulps in each library
TOLERANCE = {dtype: rounding(1, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {}
GAPS: dict[str, str] = {}
SHOWN = {"xla": ("many, so that both ends are reached",)}
