"""elu: x above 0, and a bent exponential below.

Shape    x  ->  y of the same shape, y = x for x > 0, else alpha (e^x - 1) (Clevert et al., 2015)

Laws     y > -alpha; celu differs below 0 wherever alpha is not 1

Traps    float64  ONNX holds alpha as float32: the pieces are written out
         ties     at 0 the slope jumps from alpha to 1: libraries take alpha
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._elementwise import layer, module
from bakeoff.ops._importers_keras import keras_fixed, keras_unary
from bakeoff.ops._page import Call, Case, Mode, Scope, roundings
from bakeoff.ops._ties import bend
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Attributes:
    alpha: float = 1.0


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.asarray(np.where(x > 0, x, a.alpha * np.expm1(np.minimum(x, 0))))


gradient = bend(lambda a, x: np.where(x > 0, 1.0, a.alpha * np.exp(np.minimum(x, 0))))
to_torch = module("ELU", "alpha")
to_keras = layer("ELU", "alpha")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if scope.dtype != "float64":
        return scope.emit("Elu", [x], alpha=a.alpha)
    zero, one, alpha = (scope.constant(np.asarray(number, scope.dtype)) for number in (0, 1, a.alpha))
    below = scope.emit("Sub", [scope.emit("Exp", [scope.emit("Min", [x, zero])]), one])
    return scope.emit("Add", [scope.emit("Max", [x, zero]), scope.emit("Mul", [below, alpha])])


def from_torch(call: Call) -> Any:
    if call.number(call["scale"]) != 1 or call.number(call["input_scale"]) != 1:
        raise call.refuse("a scale other than 1")
    return call.emit("elu", {"alpha": call.number(call["alpha"])}, call["self"])


FROM_TORCH = {"aten.elu": from_torch}
FROM_KERAS = {
    **keras_unary("elu", "layers.ELU", "ops.Elu", alpha="alpha"),
    **keras_fixed("elu", "activations.elu", alpha=1.0),
}
CASES = {"images": Case(((2, 3, 4, 5),), Attributes()), "vectors, alpha 0.7": Case(((3, 7),), Attributes(0.7))}
CASES["where it bends"] = Case(((3, 40),), Attributes(0.7), ties=True)
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
MUTATIONS: dict[str, Any] = {"alpha": 0.5}
SHOWN = {"float64": ("vectors, alpha 0.7",), "ties": ("where it bends",)}
