"""relu6: the positive part, cut at 6.

Shape    x  ->  y of the same shape, y = min(max(x, 0), 6)

Laws     0 <= y <= 6; relu6(relu6(x)) = relu6(x)

Traps    ties    at 0 and at 6 the slope is 0, in all libraries
         torch   captured, it may be called hardtanh with bounds 0 and 6
         keras   a ReLU layer with max_value=6; the functions of keras.activations have no layer of their own
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Attributes, computed, ends, layer, module
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import Call, Case, Scope
from bakeoff.ops._ties import BENDS, bend

truth = computed(lambda x: np.clip(x, np.zeros((), x.dtype), np.asarray(6, x.dtype)))
gradient = bend(lambda _, x: (x > 0) & (x < 6))
to_torch = module("ReLU6")
to_keras = layer("ReLU", max_value=6.0)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    low, high = (scope.constant(np.asarray(bound, scope.dtype)) for bound in (0, 6))
    return scope.emit("Clip", [x, low, high])


def from_hardtanh(call: Call) -> Any:
    low, high = call["min_val"], call["max_val"]
    if (low, high) != (0, 6):
        return call.emit("clamp", {"low": float(low), "high": float(high), "ties": "last"}, call["self"])
    return call.emit("relu6", {}, call["self"])


FROM_TORCH = {"aten.relu6": torch_unary("relu6"), "aten.hardtanh": from_hardtanh}
FROM_KERAS = keras_unary("relu6", "activations.relu6", "ops.Relu6")
CASES = {"images": Case(((2, 3, 4, 5),), Attributes())} | ends(4.0) | BENDS
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, never computed
SHOWN = {
    "ties": ("where it bends",),
    "torch": ("many, so that both ends are reached",),
    "keras": ("many, so that both ends are reached",),
}
