"""adaptive_max_pool2d: the largest value of each bin, so many bins that the output has a given size.

Shape    x (N, H, W, C)  ->  y (N, h, w, C), size (h, w)
         bin i of H elements into h: from floor(i H / h) to ceil((i + 1) H / h), and W in the same way

Laws     where h divides H it is max_pool2d with window and stride H / h; h = H changes nothing

Traps    torch   bins overlap and differ in size where h doesn't divide H; h may be larger than H (VGG at 32 px)
         keras   needs a size that is known when the net is built
         ties    the gradient goes to a bin's first element, in torch row by row, in Keras's layer column by column; its
                 global pooling shares it out. Asked for one bin, its layer ends the process on TensorFlow
         onnx    has no node for it: the largest of each slice, joined
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops import _bins, _extreme
from bakeoff.ops._bins import Attributes, bins, even, keras_pool
from bakeoff.ops._dimension import fixed
from bakeoff.ops._elementwise import module
from bakeoff.ops._importers import IMAGE as TORCH_IMAGE
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT, shape = "spatial", _bins.shape
FIRST = _extreme.Attributes((1, 2), keepdims=True, ties="first")  # of a bin
to_torch = module("AdaptiveMaxPool2d", "size")
BINS, WHOLE = keras_pool("adaptive_max_pool2d", "Max"), _extreme.said("max")[2]


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return WHOLE(scope, FIRST, x) if a.size == (1, 1) else BINS(scope, a, x)


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    rows = np.stack([x[:, i:j].max(1) for i, j in bins(x.shape[1], a.size[0])], 1)
    return np.asarray(np.stack([rows[:, :, i:j].max(2) for i, j in bins(x.shape[2], a.size[1])], 2))


def gradient(a: Attributes, dy: Array, x: Array) -> tuple[Array, ...]:
    dx, one_bin = np.zeros_like(x), _extreme.gradient("max")
    for row, (top, bottom) in enumerate(bins(x.shape[1], a.size[0])):
        for column, (left, right) in enumerate(bins(x.shape[2], a.size[1])):
            one = dy[:, row : row + 1, column : column + 1]
            dx[:, top:bottom, left:right] += one_bin(FIRST, one, x[:, top:bottom, left:right])[0]
    return (dx,)


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
        return call.emit("reduce_max", {"axes": (1, 2), "keepdims": True, "ties": "first"}, x), None
    return (x if wanted == x.sizes[2:] else call.emit("adaptive_max_pool2d", {"size": wanted}, x)), None


FROM_TORCH = {
    "aten.adaptive_max_pool1d": lambda call: (_bins.torch_row("adaptive_max_pool2d")(call), None),
    "aten.adaptive_max_pool2d": from_torch,
}


def from_keras(call: LayerCall) -> Any:
    """Its ties go to the first element column by column: that is pooling the rows, and then the columns."""
    (x,), (rows, columns) = call.inputs, call.layer.output_size
    y = call.emit("adaptive_max_pool2d", {"size": (rows, x.shape[2])}, x, suffix=".rows")
    return call.emit("adaptive_max_pool2d", {"size": (rows, columns)}, y)


FROM_KERAS = {"layers.AdaptiveMaxPooling2D": from_keras}
CASES = _bins.CASES | {
    "ties": Case(((2, 7, 5, 3),), Attributes((4, 3)), ties=True),
    "ties, one bin": Case(((2, 7, 5, 3),), Attributes((1, 1)), ties=True),
    "ties in a row": Case(((2, 1, 5, 3),), Attributes((1, 3)), ties=True),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, never computed: bit for bit
MUTATIONS, GAPS = _bins.MUTATIONS, _bins.GAPS
SHOWN = _bins.SHOWN | {"ties": ("ties", "ties, one bin")}
