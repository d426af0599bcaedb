"""erf: the error function.

Shape    x  ->  y of the same shape, y = 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x

Laws     |y| <= 1; erf(-x) = -erf(x)

Traps    onnx     ONNX Runtime has it in float32 alone
         float64  gelu written with erf needs sqrt(1/2) in float64: TensorFlow's own gelu has it in float32
"""

from __future__ import annotations

from bakeoff.ops._elementwise import Attributes, emits, function, operation, raised, usual
from bakeoff.ops._page import Mode, roundings
from bakeoff.schemas import Array


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    from scipy.special import erf

    y: Array = erf(x)
    return y


to_torch = function("erf")
to_keras = operation("erf")
to_onnx = emits("Erf")
FROM_TORCH, FROM_KERAS = raised("erf", "aten.erf", "ops.Erf")
CASES = usual()
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"onnx": ("images",), "float64": ("vectors",)}
