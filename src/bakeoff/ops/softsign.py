"""softsign: x over one more than its size.

Shape    x  ->  y of the same shape, y = x / (1 + |x|)

Laws     |y| < 1; softsign(-x) = -softsign(x)

Traps    torch   nn.Softsign; captured it may come as abs, scale_shift and div
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, Mode, Scope, rounding
from bakeoff.ops._raise_keras import keras_unary
from bakeoff.schemas import Array

LAYOUT = "elementwise"


@dataclass(frozen=True)
class Attributes:
    pass


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = x / (1 + np.abs(x))
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.helper(scope.lib.nn.Softsign(), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.helper(scope.lib.layers.Activation("softsign", name=scope.name), x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Softsign", [x])


FROM_TORCH: dict[str, Any] = {}
FROM_KERAS = keras_unary("softsign", "activations.softsign", "ops.Softsign")
CASES = {
    "pictures": Case(((2, 3, 4, 5),), Attributes()),
    "vectors": Case(((3, 7),), Attributes()),
}
# one function, correct to a few ulps in each library
TOLERANCE = {dtype: rounding(1, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {}
GAPS: dict[str, str] = {}
SHOWN = {"torch": ("pictures",)}
