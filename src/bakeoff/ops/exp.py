"""exp: the exponential.

Shape    x  ->  y of the same shape, y = e^x

Laws     exp(a + b) = exp(a) exp(b); exp(0) = 1

Traps    range   above 88.7 it is infinite in float32, above 709.7 in float64: softmax subtracts the largest value first
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
    return np.exp(x)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.exp(x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.ops.exp(x)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Exp", [x])


FROM_TORCH = {"aten.exp": torch_unary("exp")}
FROM_KERAS = keras_unary("exp", "activations.exponential", "ops.Exp")
CASES = {
    "pictures": Case(((2, 3, 4, 5),), Attributes()),
    "vectors": Case(((3, 7),), Attributes()),
}
# one function, correct to a few ulps in each library
TOLERANCE = {dtype: rounding(1, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {}
GAPS: dict[str, str] = {}
SHOWN = {"range": ("vectors",)}
