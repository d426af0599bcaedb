"""group_norm: shift and scale each group of channels to mean 0 and variance 1, then each channel as learned.

Shape    x (N, ..., C), scale, offset (C,)  ->  y (N, ..., C); `groups` runs of C / groups channels

Formula  y = (x - mean) / sqrt(variance + epsilon) * scale + offset,   over all elements and the channels of a group,
         the variance biased; Wu and He, 2018. As many groups as channels: instance normalisation

Laws     the same in training and prediction; y(x a + b) = y(x) for a > 0 (but for epsilon);
         1 group over vectors is layer_norm

Traps    epsilon 1e-5 by default in torch, 1e-3 in Keras; 32 groups by default in Keras, none in torch
         keras   -1 groups mean one channel each; torch has InstanceNorm2d for that, with nothing learned by default
         onnx    GroupNormalization of opset 18 scales groups and not channels, and is withdrawn; 21 mends it. The
                 pieces are written out
         float64 Keras on JAX computes in float32, unless its promotion table is mended
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._importers import torch_merged
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """Without `affine` there is neither scale nor offset."""

    groups: int
    epsilon: float = 1e-5
    affine: bool = True


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    channels = fixed(x[-1], "group_norm: the number of channels")
    if len(x) < 2 or channels % a.groups:
        raise UnsupportedError(f"group_norm: {a.groups} groups must divide {channels} channels, of rank 2 or more")
    return x


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    size = (fixed(x[-1], "group_norm: the number of channels"),)
    return {"scale": Slot(size), "offset": Slot(size)} if a.affine else {}


def truth(_: Mode, a: Attributes, x: Array, *, scale: Array | None = None, offset: Array | None = None) -> Array:
    apart = x.reshape(*x.shape[:-1], a.groups, x.shape[-1] // a.groups)
    axes = (*range(1, x.ndim - 1), x.ndim)
    centred = apart - apart.mean(axes, keepdims=True)
    variance = (centred * centred).mean(axes, keepdims=True)
    y: Array = (centred / np.sqrt(variance + np.asarray(a.epsilon, x.dtype))).reshape(x.shape)
    return y if scale is None or offset is None else y * scale + offset


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    return {
        "torch": {"scale": Native("weight", "c -> c"), "offset": Native("bias", "c -> c")},
        "keras": {"scale": Native("gamma", "c -> c"), "offset": Native("beta", "c -> c")},
    }


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.module(scope.lib.nn.GroupNorm(a.groups, scope.shapes[0][-1], a.epsilon, a.affine), x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    kind = scope.lib.layers.GroupNormalization
    return scope.module(kind(a.groups, epsilon=a.epsilon, center=a.affine, scale=a.affine, name=scope.name), x)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, ...)
    together = scope.emit("Reshape", [x, scope.constant(np.array((0, a.groups, -1), np.int64))])
    last = scope.constant(np.array((2,), np.int64))
    centred = scope.emit("Sub", [together, scope.emit("ReduceMean", [together, last], keepdims=1)])
    variance = scope.emit("ReduceMean", [scope.emit("Mul", [centred, centred]), last], keepdims=1)
    safe = scope.emit("Add", [variance, scope.constant(np.asarray(a.epsilon, scope.dtype))])
    y = scope.emit("Div", [centred, scope.emit("Sqrt", [safe])])
    y = scope.emit("Reshape", [y, scope.emit("Shape", [x])])
    if not a.affine:
        return y
    ones = " 1" * (len(scope.shapes[0]) - 2)
    scale, offset = (scope.parameter(slot, f"c -> c{ones}") for slot in ("scale", "offset"))
    return scope.emit("Add", [scope.emit("Mul", [y, scale]), offset])


def from_torch(call: Call) -> Any:
    x, weight, bias = call["input"], call["weight"], call["bias"]
    groups = call["num_groups"] if call.name == "aten.group_norm" else x.sizes[1]
    if call.name == "aten.instance_norm" and call["running_mean"] is not None:
        raise call.refuse("running statistics")
    attributes = {"groups": groups, "epsilon": call["eps"]}
    learned = [one for one in (weight, bias) if one is not None and not call.is_computed(one)]
    if len(learned) == 2:
        slots = {"scale": call.parameter("weight"), "offset": call.parameter("bias")}
        return call.emit("group_norm", {**attributes, "affine": True}, call.channels_last(x), parameters=slots)
    y = call.emit("group_norm", {**attributes, "affine": False}, call.channels_last(x))
    for op, factor in (("mul", weight), ("add", bias)):
        if factor is not None:
            y = torch_merged(call, op, y, call.reshaped(factor, (1, x.sizes[1], *(1 for _ in x.sizes[2:]))))
    return y


FROM_TORCH = {"aten.group_norm": from_torch, "aten.instance_norm": from_torch}


def from_keras(call: LayerCall) -> Any:
    layer, x = call.layer, call.inputs[0]
    if layer.axis % x.rank != x.rank - 1 or layer.scale != layer.center:
        why = f"axis={layer.axis}, scale={layer.scale}, center={layer.center}"
        raise call.refuse(why, "Only the last axis is known, with scale and offset, or neither.")
    groups = fixed(x.shape[-1], "group_norm: the number of channels") if layer.groups == -1 else layer.groups
    slots = {"scale": layer.gamma, "offset": layer.beta} if layer.scale else {}
    attributes = {"groups": groups, "epsilon": layer.epsilon, "affine": bool(layer.scale)}
    return call.emit("group_norm", attributes, x, parameters=slots)


FROM_KERAS = {"layers.GroupNormalization": from_keras}
CASES = {
    "images": Case(((2, 3, 4, 6),), Attributes(3)),
    "one group": Case(((2, 3, 4, 6),), Attributes(1, 1e-3)),
    "one channel each, nothing learned": Case(((2, 3, 4, 6),), Attributes(6, affine=False)),
    "tokens": Case(((2, 5, 6),), Attributes(2)),
    "vectors": Case(((3, 8),), Attributes(2, 1e-3)),
}
TOLERANCE = roundings(60)  # a variance of few numbers divides: the cases keep 1 / sqrt(v) below 20
MUTATIONS: dict[str, Any] = {"groups": 2, "epsilon": 1e-1, "affine": False}
SHOWN = {
    "epsilon": ("one group",),
    "keras": ("one channel each, nothing learned",),
    "onnx": ("images", "tokens"),
    "float64": ("images",),
}
