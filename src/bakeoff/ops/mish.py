"""mish: x times the tanh of its softplus.

Shape    x  ->  y of the same shape, y = x tanh(ln(1 + e^x)) (Misra, 2019)

Laws     y > -0.3089; y = x far above 0

Traps    range   ln(1 + e^x) overflows where it is written so: softplus is x itself above 20
         onnx    came with opset 18
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Attributes, activation, ends, module, same_shape
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import Case, Mode, Scope, roundings
from bakeoff.schemas import Array

LAYOUT = "elementwise"
shape = same_shape


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = x * np.tanh(np.logaddexp(x, np.zeros((), x.dtype)))
    return y


to_torch = module("Mish")
to_keras = activation("mish")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Mul", [x, scope.emit("Tanh", [scope.emit("Softplus", [x])])])


FROM_TORCH = {"aten.mish": torch_unary("mish")}
FROM_KERAS = keras_unary("mish", "activations.mish", "ops.Mish")
CASES = {"images": Case(((2, 3, 4, 5),), Attributes())} | ends(8.0)
TOLERANCE = roundings(3)  # a logarithm, a tanh and a product
SHOWN = {"range": ("many, so that both ends are reached",), "onnx": ("images",)}
