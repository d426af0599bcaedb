"""rms_norm: scale the features of each place to a mean square of 1, then by a learned scale.

Shape    x (..., C), scale (C,)  ->  y (..., C)

Formula  y = x / sqrt(mean(x^2) + epsilon) * scale,   over the last axis; Zhang and Sennrich, 2019

Laws     y(a x) = y(x) for a > 0 (but for epsilon); nothing is subtracted: a constant stays

Traps    epsilon torch's default is the spacing of the dtype (1.2e-7 in float32), Keras's 1e-6, in language models 1e-5
         keras   RMSNormalization always learns a scale; LayerNormalization(rms_scaling=True) divides by the root of the
                 *variance*, and is not this
         timm    also has SimpleNorm, which divides by the root of the variance
         onnx    RMSNormalization came with opset 23: the pieces are written out
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._importers_keras import keras_axes
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.schemas import Array

LAYOUT = "last"


@dataclass(frozen=True)
class Attributes:
    """Without `affine` there is no scale."""

    epsilon: float = 1e-6
    affine: bool = True


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    return {"scale": Slot((fixed(x[-1], "rms_norm: the number of features"),))} if a.affine else {}


def truth(_: Mode, a: Attributes, x: Array, *, scale: Array | None = None) -> Array:
    y: Array = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.asarray(a.epsilon, x.dtype))
    return y if scale is None else y * scale


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    return {"torch": {"scale": Native("weight", "c -> c")}, "keras": {"scale": Native("scale", "c -> c")}}


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.module(scope.lib.nn.RMSNorm(scope.shapes[0][-1], a.epsilon, a.affine), x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if a.affine:
        return scope.module(scope.lib.layers.RMSNormalization(epsilon=a.epsilon, name=scope.name), x)
    ops = scope.lib.ops
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + a.epsilon)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    last = scope.constant(np.array((-1,), np.int64))
    square = scope.emit("ReduceMean", [scope.emit("Mul", [x, x]), last], keepdims=1)
    root = scope.emit("Sqrt", [scope.emit("Add", [square, scope.constant(np.asarray(a.epsilon, scope.dtype))])])
    y = scope.emit("Div", [x, root])
    return scope.emit("Mul", [y, scope.parameter("scale", "c -> c")]) if a.affine else y


def from_torch(call: Call) -> Any:
    if len(call["normalized_shape"]) != 1:
        raise call.refuse(f"over {len(call['normalized_shape'])} axes (only one)")
    epsilon, affine = call["eps"], call["weight"] is not None
    attributes = {"epsilon": call.epsilon if epsilon is None else epsilon, "affine": affine}
    slots = {"scale": call.parameter("weight")} if affine else {}
    return call.emit("rms_norm", attributes, call.last(call["input"], (-1,)), parameters=slots)


FROM_TORCH = {"aten.rms_norm": from_torch}


def from_keras(call: LayerCall) -> Any:
    layer, x = call.layer, call.inputs[0]
    if keras_axes(call, layer.axis) != (x.rank - 1,):
        raise call.refuse(f"axis={layer.axis}", "Only the last axis is known.")
    return call.emit("rms_norm", {"epsilon": layer.epsilon}, x, parameters={"scale": layer.scale})


FROM_KERAS = {"layers.RMSNormalization": from_keras}
CASES = {
    "vectors": Case(((3, 7),), Attributes()),
    "places of an image": Case(((2, 3, 4, 5),), Attributes(1e-3)),
    "nothing learned": Case(((2, 5, 7),), Attributes(affine=False)),
}
TOLERANCE = roundings(12)  # a mean of 7 squares, a root, products
MUTATIONS: dict[str, Any] = {"epsilon": 1e-1, "affine": False}
SHOWN = {"epsilon": ("places of an image",), "keras": ("nothing learned",), "timm": ("vectors",), "onnx": ("vectors",)}
