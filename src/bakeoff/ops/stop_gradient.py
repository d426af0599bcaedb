"""stop_gradient: the same values, through which nothing flows back.

Shape    x  ->  y of the same shape, y = x; the gradient of what is made of y is 0 in x

Laws     predictions don't change; what is in front of it is not trained by what comes behind it

Traps    torch   detach, .data and whatever is worked out under no_grad: whoever drops them trains another net
         onnx    Identity: nothing flows back there anyway
"""

from __future__ import annotations

from typing import Any

from bakeoff.ops._elementwise import Attributes, emits, operation, raised, usual
from bakeoff.ops._page import Mode, Scope
from bakeoff.schemas import Array

STOPS = True  # its gradient is not that of its truth


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return x


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return x.detach()


to_keras = operation("stop_gradient")
to_onnx = emits("Identity")
FROM_TORCH, FROM_KERAS = raised("stop_gradient", "aten.detach", "ops.StopGradient")
CASES = usual()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # nothing is computed
SHOWN = {"torch": ("images",), "onnx": ("vectors",)}
