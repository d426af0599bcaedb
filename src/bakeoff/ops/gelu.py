"""gelu: x times the probability that a standard normal value is below x.

Shape    x  ->  y of the same shape
         exact   y = x (1 + erf(x / sqrt 2)) / 2
         tanh    y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
         Hendrycks and Gimpel, 2016

Laws     gelu(x) - gelu(-x) = x; the two forms part by at most 4.8e-4

Traps    torch   exact by default
         keras   keras.activations.gelu is exact by default, keras.ops.gelu is tanh (4.7e-4 away)
         tf      tf.nn.gelu in float64 is off by 5e-9: its constant passes through float32; the form is written out
         onnx    one operator since opset 20, with both forms
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops._importers_keras import keras_fixed
from bakeoff.ops._page import Call, Case, Fault, LayerCall, Mode, Scope, roundings
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Attributes:
    form: Literal["exact", "tanh"] = "exact"


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    from scipy.special import erf

    if a.form == "tanh":
        inner = np.tanh(np.asarray(np.sqrt(2 / np.pi), x.dtype) * (x + 0.044715 * x**3))
    else:
        inner = erf(x * np.asarray(np.sqrt(0.5), x.dtype))
    return np.asarray(0.5 * x * (1 + inner))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.helper(scope.lib.nn.GELU(approximate="tanh" if a.form == "tanh" else "none"), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if a.form == "exact" and scope.dtype != "float64":
        return scope.helper(scope.lib.layers.Activation("gelu", name=scope.name), x, suffix="")
    if scope.batch_norm == "stock":
        return scope.lib.ops.gelu(x, approximate=a.form == "tanh")
    return scope.helper(scope.own.Gelu(a.form, name=scope.name), x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Gelu", [x], approximate="tanh" if a.form == "tanh" else "none")


def from_torch(call: Call) -> Any:
    return call.emit("gelu", {"form": "tanh" if call["approximate"] == "tanh" else "exact"}, call["self"])


FROM_TORCH = {"aten.gelu": from_torch}


def from_keras(call: LayerCall) -> Any:
    return call.emit("gelu", {"form": "tanh" if call.layer.approximate else "exact"}, call.inputs[0])


FROM_KERAS = {**keras_fixed("gelu", "activations.gelu"), "ops.Gelu": from_keras}
CASES = {
    "images": Case(((2, 3, 4, 5),), Attributes()),
    "vectors, tanh": Case(((3, 7),), Attributes("tanh")),
    "many, so that both ends are reached": Case(((4, 400),), Attributes()),
    "many, tanh": Case(((4, 400),), Attributes("tanh")),
}
TOLERANCE = roundings(1)  # 1 + erf cancels for negative x, where y is small beside the largest: a few ulps of that
FAULTS = {"tensorflow": Fault("tf.nn.gelu takes its constants in float32", 1e-8)}
MUTATIONS: dict[str, Any] = {"form": "tanh"}
SHOWN = {
    "torch": ("many, so that both ends are reached",),
    "keras": ("many, tanh",),
    "tf": ("many, so that both ends are reached",),
    "onnx": ("vectors, tanh",),
}
