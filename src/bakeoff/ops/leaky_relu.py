"""leaky_relu: the positive part, and a share of the negative one.

Shape    x  ->  y of the same shape, y = x for x > 0, else slope x

Laws     slope 1 changes nothing, slope 0 is relu

Traps    ties     at 0 the slope of torch and TensorFlow is that of the negative part, JAX's is 1
         keras    the slope is 0.2 by default in keras.activations, 0.3 in its LeakyReLU layer, 0.01 in torch
         float64  TensorFlow's node and ONNX's hold the slope as float32: the pieces are written out
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_fixed, keras_unary
from bakeoff.ops._page import Case, Fault, Mode, Scope, roundings
from bakeoff.ops._ties import LEAKY, bend, tied
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Attributes:
    slope: float = 0.01
    ties: Literal["last", "first"] = "last"


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.where(x > 0, x, a.slope * x)


gradient = bend(lambda a, x: np.where((x > 0) | ((x == 0) & (a.ties == "first")), 1.0, a.slope))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if a.ties == "last":
        return scope.helper(scope.lib.nn.LeakyReLU(a.slope), x, suffix="")
    return scope.lib.where(x >= 0, x, x * a.slope)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    rule = LEAKY[scope.lib.config.backend()] == a.ties and a.slope >= 0  # its layer takes no other
    if scope.dtype != "float64" and rule:
        return scope.helper(scope.lib.layers.LeakyReLU(negative_slope=a.slope, name=scope.name), x, suffix="")
    return scope.lib.ops.where(x > 0 if a.ties == "last" else x >= 0, x, x * a.slope)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if scope.dtype != "float64":
        return scope.emit("LeakyRelu", [x], alpha=a.slope)
    slope = scope.constant(np.asarray(a.slope, scope.dtype))
    return scope.emit("PRelu", [x, slope])


FROM_TORCH = {"aten.leaky_relu": torch_unary("leaky_relu", slope="negative_slope")}
FROM_KERAS = {
    **keras_unary("leaky_relu", "layers.LeakyReLU", "ops.LeakyRelu", ties=LEAKY, slope="negative_slope"),
    **keras_fixed("leaky_relu", "activations.leaky_relu", ties=LEAKY, slope=0.2),
}
CASES = {
    "images, Keras's slope": Case(((2, 3, 4, 5),), Attributes(0.3)),
    "vectors, torch's slope": Case(((3, 7),), Attributes()),
    "a slope below 0": Case(((3, 7),), Attributes(-0.3)),
} | tied(Attributes(), Attributes(0.3, "first"))
TOLERANCE = roundings(1)  # one product
FAULTS = {"tensorflow": Fault("tf.nn.leaky_relu takes the slope in float32", 6e-8)}
MUTATIONS: dict[str, Any] = {"slope": 0.2, "ties": "first"}
SHOWN = {
    "ties": ("ties, last", "ties, first"),
    "keras": ("images, Keras's slope", "vectors, torch's slope", "a slope below 0"),
    "float64": ("images, Keras's slope",),
}
