"""avg_pool2d: the mean under each window.

Shape    x (N, H, W, C)  ->  y (N, H', W', C)
         H' = (H + top + bottom - window_h) // stride_h + 1, and W' in the same way; "same": H' = ceil(H / stride_h)

Formula  the sum over the window, divided by the window's cells (`count_include_pad`), or by those of them that lie in x

Laws     linear in x; without pad a constant x stays what it is; with pad only if padding isn't counted

Traps    torch   counts padding by default (count_include_pad=True); with ceil_mode the cells beyond the padding aren't
                 counted; one pad for both sides, of at most half the window
         keras   "same" never counts padding, and "valid" has none: anything else is padded first, or divided by hand
         onnx    count_include_pad is 0 by default; a missing `strides` means 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope, rounding
from bakeoff.ops._raise import PICTURE, pair, reaching, symmetric, torch_affine
from bakeoff.ops._window import Pad, explicit, output, windows
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """`pad` is "same" or (top, bottom, left, right)."""

    window: tuple[int, int]
    stride: tuple[int, int]
    pad: Pad = (0, 0, 0, 0)
    count_include_pad: bool = False


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    height, width = output(x, a.window, a.stride, a.pad, "avg_pool2d")
    return x[0], height, width, x[3]


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = windows(x, a.window, a.stride, a.pad, 0.0).mean(axis=(-2, -1))
    if a.count_include_pad:
        return y
    inside = np.ones((1, *x.shape[1:3], 1), x.dtype)
    share: Array = windows(inside, a.window, a.stride, a.pad, 0.0).mean(axis=(-2, -1))
    return np.asarray(y / share)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    pads = explicit(scope.shapes[0], a.window, a.stride, a.pad)
    if pads is not None and pads[0::2] == pads[1::2] and 2 * pads[0] <= a.window[0] and 2 * pads[2] <= a.window[1]:
        pad = pads[0], pads[2]
        pool = scope.lib.nn.AvgPool2d(a.window, a.stride, pad, count_include_pad=a.count_include_pad)
    else:
        pool = scope.own.AvgPool2d(a.window, a.stride, pads or a.pad, a.count_include_pad)
    return scope.helper(pool, x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    layers = scope.lib.layers
    if a.pad == "same" and not a.count_include_pad:
        pool = layers.AveragePooling2D(a.window, a.stride, "same", name=scope.name)
    elif a.pad == (0, 0, 0, 0):
        pool = layers.AveragePooling2D(a.window, a.stride, "valid", name=scope.name)
    else:
        pads = explicit(scope.shapes[0], a.window, a.stride, a.pad)
        pool = scope.own.AvgPool2D(a.window, a.stride, pads or a.pad, a.count_include_pad, name=scope.name)
    return scope.helper(pool, x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    pads = explicit(scope.shapes[0], a.window, a.stride, a.pad)
    common = {"kernel_shape": a.window, "strides": a.stride, "count_include_pad": int(a.count_include_pad)}
    if pads is None:
        return scope.emit("AveragePool", [x], auto_pad="SAME_UPPER", **common)
    top, bottom, left, right = pads
    return scope.emit("AveragePool", [x], pads=(top, left, bottom, right), **common)


def from_torch(call: Call) -> Any:
    x = call.arranged(call["self"], PICTURE)
    window, pads, counted = pair(call["kernel_size"]), symmetric(call["padding"]), call["count_include_pad"]
    stride = pair(call["stride"] or window)
    if call["ceil_mode"]:
        more = reaching(x.sizes[2:], call.sizes[2:], window, stride, pads)
        if more != pads and counted and any(pads):
            raise call.refuse("ceil_mode with padding that counts")
        pads, counted = more, counted and more == pads
    y = call.emit("avg_pool2d", {"window": window, "stride": stride, "pad": pads, "count_include_pad": counted}, x)
    divisor = call["divisor_override"]
    if not divisor:
        return y
    if any(pads) and not counted:
        raise call.refuse("divisor_override with padding that doesn't count")
    return torch_affine(call, y, scale=window[0] * window[1] / divisor)


FROM_TORCH = {"aten.avg_pool2d": from_torch}


def from_keras(call: LayerCall) -> Any:
    layer = call.layer
    attributes = {
        "window": tuple(layer.pool_size),
        "stride": tuple(layer.strides),
        "pad": "same" if layer.padding == "same" else (0, 0, 0, 0),
        "count_include_pad": False,
    }
    return call.emit("avg_pool2d", attributes, call.inputs[0])


FROM_KERAS = {"layers.AveragePooling2D": from_keras}
CASES = {
    "the usual halving": Case(((2, 6, 6, 3),), Attributes((2, 2), (2, 2))),
    "padded like torch": Case(((1, 7, 6, 2),), Attributes((3, 3), (2, 2), (1, 1, 1, 1), True)),
    "padded, real cells alone": Case(((1, 7, 6, 2),), Attributes((3, 3), (2, 2), (1, 1, 1, 1))),
    "uneven pad": Case(((1, 6, 6, 2),), Attributes((3, 3), (2, 2), (0, 1, 0, 1))),
    "uneven pad, counted": Case(((1, 6, 6, 2),), Attributes((3, 2), (2, 1), (0, 1, 1, 0), True)),
    "same": Case(((1, 6, 5, 2),), Attributes((3, 3), (2, 2), "same")),
    "same, counted": Case(((1, 6, 5, 2),), Attributes((3, 3), (2, 2), "same", True)),
}
TOLERANCE = {dtype: rounding(9, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {"pad": (1, 0, 1, 0), "stride": (1, 1), "window": (3, 3), "count_include_pad": True}
GAPS = {"torch: ceil_mode, divisor_override": "not yet: raises UnsupportedError"}
SHOWN = {
    "torch": ("padded like torch",),
    "keras": (
        "same, counted",
        "uneven pad, counted",
    ),
    "onnx": ("padded, real cells alone",),
}
