"""reduce_mean: the mean over axes.

Shape    x, axes, keepdims  ->  y without these axes, or with 1 in their place

Laws     linear in x; the mean of what is equal is that

Traps    axes    (1, 2) of (N, H, W, C) are (2, 3) of torch's (N, C, H, W); what is left keeps its order there
         onnx    axes are an input since opset 18, an attribute before
         keras   on JAX ops.mean computes in float32, unless its promotion table is mended (_keras/float64.py)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, LayerCall, Mode, Scope, rounding
from bakeoff.ops._raise_keras import keras_axes
from bakeoff.ops._reduction import laid, onnx_axes, physical, reduced
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """`axes` count canonically: channels last."""

    axes: tuple[int, ...]
    keepdims: bool = False


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return reduced(a.axes, a.keepdims, x, "reduce_mean")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = x.mean(axis=a.axes, keepdims=a.keepdims)
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axes = physical(scope, a.axes)
    return laid(scope, a.axes, a.keepdims, scope.lib.mean(x, dim=axes, keepdim=a.keepdims))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axes = physical(scope, a.axes)
    return laid(scope, a.axes, a.keepdims, scope.lib.ops.mean(x, axis=axes, keepdims=a.keepdims))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    y = scope.emit("ReduceMean", [x, onnx_axes(scope, a.axes)], keepdims=int(a.keepdims))
    return laid(scope, a.axes, a.keepdims, y)


def from_keras(call: LayerCall) -> Any:
    if getattr(call.layer, "initial", None) is not None:
        raise call.refuse("initial=", "Use maximum or minimum with that number.")
    attributes = {"axes": keras_axes(call, call.layer.axis), "keepdims": bool(call.layer.keepdims)}
    return call.emit("reduce_mean", attributes, call.inputs[0])


def from_pooling(call: LayerCall) -> Any:
    """Over all places; the layers count channels last."""
    axes = tuple(range(1, call.inputs[0].rank - 1))
    return call.emit("reduce_mean", {"axes": axes, "keepdims": bool(call.layer.keepdims)}, call.inputs[0])


FROM_KERAS = {
    "layers.GlobalAveragePooling1D": from_pooling,
    "ops.Mean": from_keras,
}
CASES = {
    "height and width": Case(((2, 3, 4, 5),), Attributes((1, 2))),
    "height and width, which stay as 1": Case(((2, 3, 4, 5),), Attributes((1, 2), True)),
    "rows alone": Case(((2, 3, 4, 5),), Attributes((1,))),
    "channels": Case(((2, 3, 4, 5),), Attributes((-1,), True)),
    "tokens": Case(((2, 5, 3),), Attributes((1,))),
}
TOLERANCE = {dtype: rounding(12, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {"axes": (2,), "keepdims": True}
SHOWN = {"axes": ("rows alone",), "onnx": ("channels",), "keras": ("height and width",)}
