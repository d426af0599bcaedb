"""rsqrt: one over the square root.

Shape    x  ->  y of the same shape, y = 1 / sqrt(x), for x > 0

Laws     rsqrt(x)^2 x = 1

Traps    keras   ops.rsqrt on CPU may start from an approximation and correct it: a few ulps, not bit for bit
         onnx    has no node for it: Sqrt, then Reciprocal
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Attributes, function, operation, raised, usual
from bakeoff.ops._page import Mode, Scope, roundings
from bakeoff.schemas import Array


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.asarray(1 / np.sqrt(x))


to_torch = function("rsqrt")
to_keras = operation("rsqrt")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Reciprocal", [scope.emit("Sqrt", [x])])


FROM_TORCH, FROM_KERAS = raised("rsqrt", "aten.rsqrt", "ops.Rsqrt")
CASES = usual(positive=True)
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"keras": ("images",), "onnx": ("vectors",)}
