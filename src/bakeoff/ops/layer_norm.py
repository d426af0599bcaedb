"""layer_norm: shift and scale the features of each place to mean 0 and variance 1, then by learned scale and offset.

Shape    x (..., C), scale, offset (C,)  ->  y (..., C); several last axes together: x (N, H, W, C), scale (H, W, C)

Formula  y = (x - mean) / sqrt(variance + epsilon) * scale + offset,   over the last axes, the variance biased
         Ba, Kiros and Hinton, 2016

Laws     the same in training and prediction; y(x a + b) = y(x) for a > 0 (but for epsilon)

Traps    epsilon 1e-5 by default in torch, 1e-3 in Keras
         torch   normalises the last axes, and its images have channels first: a net of such blocks (ConvNeXt)
                 moves axes, in torch's own models too; over (C, H, W) its scale lies so, too
         keras   rms_scaling=True divides by the root of the variance and subtracts nothing: that is no rms_norm
         float64 Keras on JAX computes in float32, unless its promotion table is mended
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._importers import torch_merged
from bakeoff.ops._importers_keras import keras_axes
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.schemas import Array

LAYOUT = "last"


@dataclass(frozen=True)
class Attributes:
    """Without `affine` there is neither scale nor offset; `last` axes are normalised together."""

    epsilon: float = 1e-5
    affine: bool = True
    offset: bool = True
    last: int = 1

    @property
    def learned(self) -> tuple[str, ...]:
        """The slots."""
        return () if not self.affine else ("scale", "offset") if self.offset else ("scale",)


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    if not 0 < a.last < len(x):
        raise UnsupportedError(
            f"layer_norm: {a.last} last axes of an input of rank {len(x)}; at least 1, not the batch"
        )
    return x


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    return {slot: Slot(_sizes(a, x)) for slot in a.learned}


def _sizes(a: Attributes, x: Shape) -> tuple[int, ...]:
    return tuple(fixed(size, "layer_norm: the number of features") for size in x[-a.last :])


def _pattern(a: Attributes) -> str:
    letters = " ".join(f"c{axis}" for axis in range(a.last)) if a.last > 1 else "c"
    return f"{letters} -> {letters}"


def truth(_: Mode, a: Attributes, x: Array, *, scale: Array | None = None, offset: Array | None = None) -> Array:
    axes = tuple(range(-a.last, 0))
    centred = x - x.mean(axes, keepdims=True)
    variance = (centred * centred).mean(axes, keepdims=True)
    y: Array = centred / np.sqrt(variance + np.asarray(a.epsilon, x.dtype))
    y = y if scale is None else y * scale
    return y if offset is None else y + offset


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    pattern = _pattern(a)
    return {
        "torch": {"scale": Native("weight", pattern), "offset": Native("bias", pattern)},
        "keras": {"scale": Native("gamma", pattern), "offset": Native("beta", pattern)},
    }


def _in_order(scope: Scope, a: Attributes, x: Any) -> tuple[Any, tuple[int, ...]]:
    """One last axis lies last already; several must lie in their order, too."""
    if a.last == 1:
        return x, scope.orders[0]
    plain = tuple(range(len(scope.shapes[0])))
    return scope.arranged(0, plain), plain


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    x, order = _in_order(scope, a, x)
    kind = scope.lib.nn.LayerNorm
    made = kind(_sizes(a, scope.shapes[0]), eps=a.epsilon, elementwise_affine=a.affine, bias=a.offset)
    return scope.laid(scope.module(made, x), order)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    x, order = _in_order(scope, a, x)
    axis = -1 if a.last == 1 else list(range(-a.last, 0))
    learned = {"scale": a.affine, "center": a.affine and a.offset}
    made = scope.lib.layers.LayerNormalization(axis, epsilon=a.epsilon, name=scope.name, **learned)
    return scope.laid(scope.module(made, x), order)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    x, order = _in_order(scope, a, x)
    scale = scope.constant(np.ones(_sizes(a, scope.shapes[0]), scope.dtype))
    learned = [scope.parameter(slot, _pattern(a)) for slot in a.learned] or [scale]
    return scope.laid(scope.emit("LayerNormalization", [x, *learned], axis=-a.last, epsilon=a.epsilon), order)


def from_torch(call: Call) -> Any:
    weight, bias, last = call["weight"], call["bias"], len(call["normalized_shape"])
    axes = tuple(range(-last, 0))
    x = call.last(call["input"], axes)
    attributes = {"epsilon": call["eps"], "last": last}
    if weight is None or call.is_computed(weight) or (bias is not None and call.is_computed(bias)):
        y = call.emit("layer_norm", {**attributes, "affine": False}, x)
        y = y if weight is None else torch_merged(call, "mul", y, weight)
        return y if bias is None else torch_merged(call, "add", y, bias)
    slots = {"scale": call.parameter("weight")}
    if bias is not None:
        slots["offset"] = call.parameter("bias")
    return call.emit("layer_norm", {**attributes, "offset": bias is not None}, x, parameters=slots)


FROM_TORCH = {"aten.layer_norm": from_torch}


def from_keras(call: LayerCall) -> Any:
    layer, x = call.layer, call.inputs[0]
    last = keras_axes(call, layer.axis)
    if last != tuple(range(x.rank - len(last), x.rank)) or (layer.center and not layer.scale):
        why = f"axis={layer.axis}, scale={layer.scale}, center={layer.center}"
        raise call.refuse(why, "Only the last axes are known, and no offset without a scale.")
    if getattr(layer, "rms_scaling", False):
        raise call.refuse("rms_scaling=True", "Use keras.layers.RMSNormalization.")
    attributes = {
        "epsilon": layer.epsilon,
        "affine": bool(layer.scale),
        "offset": bool(layer.center) if layer.scale else True,
        "last": len(last),
    }
    slots = {"scale": layer.gamma if layer.scale else None, "offset": layer.beta if layer.center else None}
    return call.emit("layer_norm", attributes, x, parameters=slots)


FROM_KERAS = {"layers.LayerNormalization": from_keras}
CASES = {
    "vectors": Case(((3, 7),), Attributes()),
    "places of an image": Case(((2, 3, 4, 5),), Attributes(1e-3)),
    "no scale, no offset": Case(((3, 7),), Attributes(affine=False)),
    "a scale alone": Case(((2, 5, 7),), Attributes(offset=False)),
    "whole images": Case(((2, 3, 4, 5),), Attributes(1e-2, last=3)),
}
TOLERANCE = roundings(60)  # a variance of few features divides: the cases keep 1 / sqrt(v) below 20
MUTATIONS: dict[str, Any] = {"epsilon": 1e-1, "affine": False, "offset": False, "last": 2}
SHOWN = {
    "epsilon": ("places of an image",),
    "torch": ("places of an image", "whole images"),
    "keras": ("vectors",),
    "float64": ("vectors",),
}
