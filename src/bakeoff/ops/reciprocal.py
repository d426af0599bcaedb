"""reciprocal: one over x.

Shape    x  ->  y of the same shape, y = 1 / x

Laws     reciprocal(reciprocal(x)) = x; a constant c / x is c times it, by scale_shift

Traps    range   at 0 it is infinite, without a warning
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    y: Array = 1 / x
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.reciprocal(x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.ops.reciprocal(x)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Reciprocal", [x])


FROM_TORCH = {"aten.reciprocal": torch_unary("reciprocal")}
FROM_KERAS = keras_unary("reciprocal", "ops.Reciprocal")
CASES = {
    "pictures": Case(((2, 3, 4, 5),), Attributes(), positive=True),
    "vectors": Case(((3, 7),), Attributes(), positive=True),
}
# one function, correct to a few ulps in each library
TOLERANCE = {dtype: rounding(1, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {}
GAPS: dict[str, str] = {}
SHOWN = {"range": ("pictures",)}
