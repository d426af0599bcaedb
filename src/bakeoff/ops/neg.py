"""neg: x with the other sign.

Shape    x  ->  y of the same shape, y = -x

Laws     neg(neg(x)) = x

Traps    rounding  none: one bit is turned
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    y: Array = -x
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.neg(x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.ops.negative(x)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Neg", [x])


FROM_TORCH = {"aten.neg": torch_unary("neg"), "aten.negative": torch_unary("neg")}
FROM_KERAS = keras_unary("neg", "ops.Negative")
CASES = {
    "pictures": Case(((2, 3, 4, 5),), Attributes()),
    "vectors": Case(((3, 7),), Attributes()),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, or rounded once: the same everywhere (IEEE 754)
MUTATIONS: dict[str, Any] = {}
GAPS: dict[str, str] = {}
SHOWN = {"rounding": ("pictures",)}
