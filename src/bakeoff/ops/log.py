"""log: the natural logarithm.

Shape    x  ->  y of the same shape, y = ln x, for x > 0

Laws     log(a b) = log(a) + log(b); log(1) = 0

Traps    range   -inf at 0 and NaN below, in all libraries; none warns
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
    return np.log(x)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.log(x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.ops.log(x)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Log", [x])


FROM_TORCH = {"aten.log": torch_unary("log")}
FROM_KERAS = keras_unary("log", "ops.Log")
CASES = {
    "pictures": Case(((2, 3, 4, 5),), Attributes(), positive=True),
    "vectors": Case(((3, 7),), Attributes(), positive=True),
}
# one function, correct to a few ulps in each library
TOLERANCE = {dtype: rounding(1, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {}
GAPS: dict[str, str] = {}
SHOWN = {"range": ("pictures",)}
