"""l2_normalize: scale the numbers along an axis to length 1.

Shape    x  ->  y of the same shape, y = x / max(|x|, epsilon), |x| the root of the sum of squares along `axis`

Laws     l2_normalize(a x) = l2_normalize(x) for a > 0; lengths are 1, or less where epsilon holds

Traps    slope   of zeros Keras's ops.normalize (UnitNormalization) gives NaN on JAX, 1 / epsilon on TensorFlow; torch
                 gives 1 / epsilon, and so does this
         ties    where |x| is epsilon, x is divided by a number: torch's rule; TensorFlow has the slope of a larger |x|
         epsilon 1e-12 in torch and in UnitNormalization; ops.normalize has 1e-7
         axis    the last of (N, H, W, C) is the second of torch's (N, C, H, W)
         onnx    LpNormalization has no epsilon: the pieces are written out
Raised   from torch as what F.normalize calls: reduce_norm, clamp, div
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._importers_keras import keras_axes
from bakeoff.ops._norm import keras_norm
from bakeoff.ops._page import Case, LayerCall, Mode, Scope, roundings
from bakeoff.ops._ties import chosen
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Attributes:
    """`axis` counts canonically: channels last."""

    axis: int = -1
    epsilon: float = 1e-12


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    length = np.sqrt((x * x).sum(a.axis, keepdims=True))
    return np.asarray(x / np.maximum(length, np.asarray(a.epsilon, x.dtype)))


def gradient(a: Attributes, dy: Array, x: Array) -> tuple[Array, ...]:
    length = np.sqrt((x * x).sum(a.axis, keepdims=True))
    inside = (dy * x).sum(a.axis, keepdims=True) * x / np.where(length > 0, length**3, 1)
    found = np.where(length > a.epsilon, dy / np.where(length > 0, length, 1) - inside, dy / a.epsilon)
    return (found.astype(x.dtype),)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.nn.functional.normalize(x, p=2.0, dim=scope.axis(a.axis), eps=a.epsilon)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    ops = scope.lib.ops
    return x / chosen(ops.where, keras_norm(ops, x, 2.0, (scope.axis(a.axis),), True), a.epsilon, "last")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axis = scope.constant(np.array((scope.axis(a.axis),), np.int64))
    length = scope.emit("ReduceL2", [x, axis], keepdims=1)
    return scope.emit("Div", [x, scope.emit("Max", [length, scope.constant(np.asarray(a.epsilon, scope.dtype))])])


def from_keras(call: LayerCall) -> Any:
    """The layer UnitNormalization, and ops.normalize, whose epsilon is Keras's own unless given."""
    epsilon = getattr(call.layer, "epsilon", 1e-12)
    axes = keras_axes(call, call.layer.axis)
    if len(axes) != 1 or getattr(call.layer, "order", 2) != 2:
        raise call.refuse(f"axis={call.layer.axis}, or another norm", "Only one axis and the 2-norm are known.")
    epsilon = call.lib.config.epsilon() if epsilon is None else epsilon
    return call.emit("l2_normalize", {"axis": axes[0], "epsilon": float(epsilon)}, call.inputs[0])


FROM_KERAS = {"layers.UnitNormalization": from_keras, "ops.Normalize": from_keras}
CASES = {
    "vectors": Case(((3, 7),), Attributes()),
    "channels of an image": Case(((2, 3, 4, 5),), Attributes()),
    "rows of an image": Case(((2, 3, 4, 5),), Attributes(1)),
    "shorter than epsilon": Case(((3, 7),), Attributes(epsilon=9.0)),
    "a length of epsilon": Case(((30, 2),), Attributes(epsilon=1.0), ties=True),
    "zeros": Case(((3, 7),), Attributes(epsilon=0.1), scale=0.0),
}
TOLERANCE = roundings(9)  # a sum of 7 squares, a root, a quotient
MUTATIONS: dict[str, Any] = {"axis": 2, "epsilon": 5.0}
SHOWN = {
    "slope": ("zeros",),
    "ties": ("a length of epsilon",),
    "epsilon": ("shorter than epsilon",),
    "axis": ("channels of an image", "rows of an image"),
    "onnx": ("vectors",),
}
