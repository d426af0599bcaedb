"""square: x times itself.

Shape    x  ->  y of the same shape, y = x^2

Laws     y >= 0; square(-x) = square(x)

Traps    keras   ops.square and x ** 2 are different nodes of a model with the same numbers
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Attributes, computed, function, operation, raised, usual
from bakeoff.ops._page import Scope

truth = computed(np.square)
to_torch = function("square")
to_keras = operation("square")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Mul", [x, x])


FROM_TORCH, FROM_KERAS = raised("square", "aten.square", "ops.Square")
CASES = usual()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, or rounded once: the same everywhere (IEEE 754)
SHOWN = {"keras": ("images",)}
