"""abs: the size of x without its sign.

Shape    x  ->  y of the same shape, y = |x|

Laws     y >= 0; abs(-x) = abs(x)

Traps    slope   at 0 torch, TensorFlow and JAX take 0 (JAX: the sign of 0, which is 0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, Mode, Scope
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
    return np.abs(x)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.abs(x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.ops.absolute(x)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Abs", [x])


FROM_TORCH = {"aten.abs": torch_unary("abs"), "aten.absolute": torch_unary("abs")}
FROM_KERAS = keras_unary("abs", "ops.Absolute", "ops.Abs")
CASES = {
    "pictures": Case(((2, 3, 4, 5),), Attributes()),
    "vectors": Case(((3, 7),), Attributes()),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, or rounded once: the same everywhere (IEEE 754)
MUTATIONS: dict[str, Any] = {}
GAPS: dict[str, str] = {}
SHOWN = {"slope": ("pictures",)}
