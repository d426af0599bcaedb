"""selu: elu, scaled so that unit variance passes through layers of it.

Shape    x  ->  y of the same shape, y = scale x for x > 0, else scale alpha (e^x - 1)
         scale = 1.0507..., alpha = 1.6733... (Klambauer et al., 2017)

Laws     y > -1.7581; selu(0) = 0

Traps    onnx    Selu's two constants are float32 attributes: in float64 the pieces are written out
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Attributes, activation, module, same_shape, usual
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import Mode, Scope, roundings
from bakeoff.schemas import Array

LAYOUT = "elementwise"
ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805  # to double precision, as in torch and TensorFlow
shape = same_shape


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = np.where(x > 0, SCALE * x, SCALE * ALPHA * np.expm1(np.minimum(x, 0)))
    return y


to_torch = module("SELU")
to_keras = activation("selu")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if scope.dtype != "float64":
        return scope.emit("Selu", [x], alpha=ALPHA, gamma=SCALE)
    zero, one, outer, inner = (
        scope.constant(np.asarray(number, scope.dtype)) for number in (0, 1, SCALE, SCALE * ALPHA)
    )
    below = scope.emit("Sub", [scope.emit("Exp", [scope.emit("Min", [x, zero])]), one])
    above = scope.emit("Max", [x, zero])
    return scope.emit("Add", [scope.emit("Mul", [above, outer]), scope.emit("Mul", [below, inner])])


FROM_TORCH = {"aten.selu": torch_unary("selu")}
FROM_KERAS = keras_unary("selu", "activations.selu", "ops.Selu")
CASES = usual()
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"onnx": ("images",)}
