"""adaptive_max_pool2d: the largest value of each bin, so many bins that the output has a given size.

Shape    x (N, H, W, C)  ->  y (N, h, w, C), size (h, w)
         bin i of H elements into h: from floor(i H / h) to ceil((i + 1) H / h), and W in the same way

Laws     where h divides H it is max_pool2d with window and stride H / h; h = H changes nothing

Traps    torch   bins overlap and differ in size where h doesn't divide H; h may be larger than H (VGG at 32 px)
         keras   needs a size that is known when the net is built
         onnx    has no node for it: the largest of each slice, joined
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._bins import CASES, GAPS, MUTATIONS, SHOWN, Attributes, bins, even, keras_adaptive, keras_pool, shape
from bakeoff.ops._dimension import fixed
from bakeoff.ops._elementwise import module
from bakeoff.ops._importers import IMAGE as TORCH_IMAGE
from bakeoff.ops._page import Call, Mode, Scope
from bakeoff.schemas import Array

__all__ = ["CASES", "GAPS", "MUTATIONS", "SHOWN", "Attributes", "shape"]

LAYOUT = "spatial"
to_torch = module("AdaptiveMaxPool2d", "size")
to_keras = keras_pool("adaptive_max_pool2d", "Max")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    rows = np.stack([x[:, i:j].max(1) for i, j in bins(x.shape[1], a.size[0])], 1)
    y: Array = np.stack([rows[:, :, i:j].max(2) for i, j in bins(x.shape[2], a.size[1])], 2)
    return y


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    if a.size == (1, 1):
        return scope.emit("GlobalMaxPool", [x])
    window = even(scope, a.size)
    if window is not None:
        return scope.emit("MaxPool", [x], kernel_shape=window, strides=window)
    for axis, (size, count) in enumerate(zip(scope.shapes[0][1:3], a.size, strict=True), start=2):
        elements = bins(fixed(size, "adaptive_max_pool2d in ONNX"), count)
        x = scope.emit("Concat", [_largest(scope, x, axis, first, last) for first, last in elements], axis=axis)
    return x


def _largest(scope: Scope, x: Any, axis: int, first: int, last: int) -> Any:
    starts, ends, axes = (scope.constant(np.array((number,), np.int64)) for number in (first, last, axis))
    return scope.emit("ReduceMax", [scope.emit("Slice", [x, starts, ends, axes]), axes], keepdims=1)


def from_torch(call: Call) -> Any:
    x = call.arranged(call["self"], TORCH_IMAGE)
    wanted = tuple(size or old for size, old in zip(call["output_size"], x.sizes[2:], strict=True))
    if wanted == (1, 1):
        return call.emit("reduce_max", {"axes": (1, 2), "keepdims": True}, x), None
    return (x if wanted == x.sizes[2:] else call.emit("adaptive_max_pool2d", {"size": wanted}, x)), None


FROM_TORCH = {"aten.adaptive_max_pool2d": from_torch}


FROM_KERAS = {"layers.AdaptiveMaxPooling2D": keras_adaptive("adaptive_max_pool2d")}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, never computed: bit for bit
