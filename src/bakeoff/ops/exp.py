"""exp: the exponential.

Shape    x  ->  y of the same shape, y = e^x

Laws     exp(a + b) = exp(a) exp(b); exp(0) = 1

Traps    range   above 88.7 it is infinite in float32, above 709.7 in float64: softmax subtracts the largest value first
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, raised, usual
from bakeoff.ops._importers import affine
from bakeoff.ops._page import Call, roundings

truth = computed(np.exp)
to_torch = function("exp")
to_keras = operation("exp")
to_onnx = emits("Exp")
FROM_TORCH, FROM_KERAS = raised("exp", "aten.exp", "activations.exponential", "ops.Exp")


def from_power(call: Call) -> Any:
    """2^x."""
    return call.emit("exp", {}, affine(call, call["self"], scale=math.log(2)))


def from_less_one(call: Call) -> Any:
    return affine(call, call.emit("exp", {}, call["self"]), shift=-1.0)


FROM_TORCH |= {"aten.exp2": from_power, "aten.expm1": from_less_one}
CASES = usual()
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"range": ("vectors",)}
