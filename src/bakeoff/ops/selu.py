"""selu: elu, scaled so that unit variance passes through layers of it.

Shape    x  ->  y of the same shape, y = scale x for x > 0, else scale alpha (e^x - 1)
         scale = 1.0507..., alpha = 1.6733... (Klambauer et al., 2017)

Laws     y > -1.7581; selu(0) = 0

Traps    ties    at 0 the slope is that from below in torch and JAX, and that from above in TensorFlow
         keras   its activation is that of its backend: here it is elu, scaled, which all libraries bend alike
         onnx    Selu's two constants are float32 attributes: in float64 the pieces are written out
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops._elementwise import usual
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import Mode, Scope, roundings
from bakeoff.ops._ties import bend, tied
from bakeoff.schemas import Array

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805  # to double precision, as in torch and TensorFlow


@dataclass(frozen=True)
class Attributes:
    ties: Literal["last", "first"] = "last"


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.asarray(np.where(x > 0, SCALE * x, SCALE * ALPHA * np.expm1(np.minimum(x, 0))))


gradient = bend(
    lambda a, x: SCALE * np.where((x > 0) | ((x == 0) & (a.ties == "first")), 1.0, ALPHA * np.exp(np.minimum(x, 0)))
)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    y = scope.helper(scope.lib.nn.SELU(), x, suffix="")
    return y if a.ties == "last" else scope.lib.where(x < 0, y, x * SCALE)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    y = scope.helper(scope.lib.layers.ELU(ALPHA, name=scope.name), x, suffix="") * SCALE
    return y if a.ties == "last" else scope.lib.ops.where(x < 0, y, x * SCALE)


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
FROM_KERAS = keras_unary("selu", "activations.selu", "ops.Selu", ties={"tensorflow": "first", "jax": "last"})
CASES = usual(told=Attributes()) | tied(Attributes(), Attributes("first"))
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
MUTATIONS: dict[str, Any] = {"ties": "first"}
SHOWN = {"ties": ("ties, last", "ties, first"), "keras": ("images",), "onnx": ("images",)}
