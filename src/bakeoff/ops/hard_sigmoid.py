"""hard_sigmoid: a sigmoid in three straight pieces.

Shape    x  ->  y of the same shape, y = min(max(x + 3, 0), 6) / 6

Laws     0 <= y <= 1; hard_sigmoid(-x) = 1 - hard_sigmoid(x); y = 0 below -3 and 1 above 3

Traps    keras   Keras 2 had the slope 0.2 (from -2.5 to 2.5); Keras 3 has torch's 1/6
         onnx    HardSigmoid's alpha is 0.2 by default and a float32: in float64 the pieces are written out
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Attributes, activation, computed, ends, module, raised, usual
from bakeoff.ops._page import Fault, Scope, roundings
from bakeoff.ops._ties import BENDS, bend

truth = computed(lambda x: np.clip(x + 3, np.zeros((), x.dtype), np.asarray(6, x.dtype)) / 6)
gradient = bend(lambda _, x: (np.abs(x) < 3) / 6)
to_torch = module("Hardsigmoid")
to_keras = activation("hard_sigmoid")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if scope.dtype != "float64":
        return scope.emit("HardSigmoid", [x], alpha=1 / 6, beta=0.5)
    three, low, six = (scope.constant(np.asarray(number, scope.dtype)) for number in (3, 0, 6))
    return scope.emit("Div", [scope.emit("Clip", [scope.emit("Add", [x, three]), low, six]), six])


FROM_TORCH, FROM_KERAS = raised("hard_sigmoid", "aten.hardsigmoid", "activations.hard_sigmoid", "ops.HardSigmoid")
CASES = usual() | ends(4.0) | BENDS
TOLERANCE = roundings(1)  # a sum and a quotient
FAULTS = {"torch": Fault("its backward pass takes 1/6 in float32", 3e-8)}
SHOWN = {"keras": ("many, so that both ends are reached",), "onnx": ("many, so that both ends are reached",)}
