"""mish: x times the tanh of its softplus.

Shape    x  ->  y of the same shape, y = x tanh(ln(1 + e^x)) (Misra, 2019)

Laws     y > -0.3089; y = x far above 0

Traps    range   ln(1 + e^x) overflows where it is written so: softplus is x itself above 20
         onnx    came with opset 18
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Attributes, activation, computed, ends, module, raised
from bakeoff.ops._page import Case, Scope, roundings

truth = computed(lambda x: x * np.tanh(np.logaddexp(x, np.zeros((), x.dtype))))
to_torch = module("Mish")
to_keras = activation("mish")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Mul", [x, scope.emit("Tanh", [scope.emit("Softplus", [x])])])


FROM_TORCH, FROM_KERAS = raised("mish", "aten.mish", "activations.mish", "ops.Mish")
CASES = {"images": Case(((2, 3, 4, 5),), Attributes())} | ends(8.0)
TOLERANCE = roundings(3)  # a logarithm, a tanh and a product
SHOWN = {"range": ("many, so that both ends are reached",), "onnx": ("images",)}
