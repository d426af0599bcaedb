"""layer_norm: shift and scale the features of each place to mean 0 and variance 1, then by learned scale and offset.

Shape    x (..., C), scale, offset (C,)  ->  y (..., C)

Formula  y = (x - mean) / sqrt(variance + epsilon) * scale + offset,   over the last axis, the variance biased
         Ba, Kiros and Hinton, 2016

Laws     the same in training and prediction; y(x a + b) = y(x) for a > 0 (but for epsilon)

Traps    epsilon 1e-5 by default in torch, 1e-3 in Keras
         torch   normalises the last axes, and its pictures have channels first: a net of such blocks (ConvNeXt)
                 moves axes, in torch's own models too
         float64 Keras on JAX computes in float32, unless its promotion table is mended
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Call, Case, Mode, Native, Scope, Slot, rounding
from bakeoff.schemas import Array

LAYOUT = "last"


@dataclass(frozen=True)
class Attributes:
    """Without `affine` there is neither scale nor offset."""

    epsilon: float = 1e-5
    affine: bool = True


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    size = (fixed(x[-1], "layer_norm: the number of features"),)
    return {"scale": Slot(size), "offset": Slot(size)} if a.affine else {}


def truth(_: Mode, a: Attributes, x: Array, *, scale: Array | None = None, offset: Array | None = None) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    y: Array = centred / np.sqrt(variance + np.asarray(a.epsilon, x.dtype))
    return y if scale is None or offset is None else y * scale + offset


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    return {
        "torch": {"scale": Native("weight", "c -> c"), "offset": Native("bias", "c -> c")},
        "keras": {"scale": Native("gamma", "c -> c"), "offset": Native("beta", "c -> c")},
    }


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    kind = scope.lib.nn.LayerNorm
    return scope.module(kind(scope.shapes[0][-1], eps=a.epsilon, elementwise_affine=a.affine), x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    kind = scope.lib.layers.LayerNormalization
    return scope.module(kind(epsilon=a.epsilon, center=a.affine, scale=a.affine, name=scope.name), x)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    size = fixed(scope.shapes[0][-1], "layer_norm: the number of features")
    scale = scope.parameter("scale", "c -> c") if a.affine else scope.constant(np.ones(size, scope.dtype))
    offset = scope.parameter("offset", "c -> c") if a.affine else scope.constant(np.zeros(size, scope.dtype))
    return scope.emit("LayerNormalization", [x, scale, offset], axis=-1, epsilon=a.epsilon)


def from_torch(call: Call) -> Any:
    count, scaled = len(call["normalized_shape"]), call["weight"] is not None
    if count != 1 or scaled != (call["bias"] is not None):
        raise call.refuse(f"over {count} axes, or with a scale alone (only one axis, both or none)")
    slots = {"scale": call.parameter("weight"), "offset": call.parameter("bias")} if scaled else {}
    x = call.last(call["input"], (-1,))
    return call.emit("layer_norm", {"epsilon": call["eps"], "affine": scaled}, x, parameters=slots)


FROM_TORCH = {"aten.layer_norm": from_torch}
CASES = {
    "vectors": Case(((3, 7),), Attributes()),
    "places of a picture": Case(((2, 3, 4, 5),), Attributes(1e-3)),
    "no scale, no offset": Case(((3, 7),), Attributes(affine=False)),
}
# a variance of few features divides: the cases keep 1 / sqrt(v) below 20
TOLERANCE = {dtype: rounding(60, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {"epsilon": 1e-2, "affine": False}
GAPS = {"several axes at once; a scale without an offset": "not yet: raises UnsupportedError"}
SHOWN = {"epsilon": ("places of a picture",), "torch": ("places of a picture",), "float64": ("vectors",)}
