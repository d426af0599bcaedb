"""adaptive_max_pool2d: the largest value of each bin, so many bins that the output has a given size.

Shape    x (N, H, W, C)  ->  y (N, h, w, C), size (h, w)
         bin i of H elements into h: from floor(i H / h) to ceil((i + 1) H / h), and W in the same way

Laws     where h divides H it is max_pool2d with window and stride H / h; h = H changes nothing

Traps    torch   bins overlap and differ in size where h doesn't divide H; h may be larger than H (VGG at 32 px)
         keras   needs a size that is known when the net is built
         onnx    has no node for it: the largest of each slice, joined
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._bins import bins, even
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._importers import IMAGE as TORCH_IMAGE
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """`size` is (height, width)."""

    size: tuple[int, int]


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x[0], *a.size, x[3]


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    rows = np.stack([x[:, i:j].max(1) for i, j in bins(x.shape[1], a.size[0])], 1)
    y: Array = np.stack([rows[:, :, i:j].max(2) for i, j in bins(x.shape[2], a.size[1])], 2)
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    return scope.helper(scope.lib.nn.AdaptiveMaxPool2d(a.size), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    layers, window = scope.lib.layers, even(scope, a.size)
    if a.size == (1, 1):
        pool = layers.GlobalMaxPooling2D(keepdims=True, name=scope.name)
    elif window is not None:
        pool = layers.MaxPooling2D(window, window, name=scope.name)
    else:
        for size in scope.shapes[0][1:3]:
            fixed(size, "adaptive_max_pool2d in Keras")
        pool = layers.AdaptiveMaxPooling2D(a.size, data_format="channels_last", name=scope.name)
    return scope.helper(pool, x, suffix="")


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


def from_keras(call: LayerCall) -> Any:
    return call.emit("adaptive_max_pool2d", {"size": tuple(call.layer.output_size)}, call.inputs[0])


FROM_KERAS = {"layers.AdaptiveMaxPooling2D": from_keras}
CASES = {
    "bins of two sizes": Case(((2, 7, 5, 3),), Attributes((4, 3))),
    "bins that divide": Case(((2, 6, 4, 3),), Attributes((3, 2))),
    "more bins than elements": Case(((2, 2, 3, 4),), Attributes((3, 5))),
    "one bin": Case(((2, 3, 4, 5),), Attributes((1, 1))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, never computed: bit for bit
MUTATIONS: dict[str, Any] = {"size": (3, 4)}
GAPS = {"keras, onnx: bins that don't divide a free size": "never: bins depend on the size"}
SHOWN = {
    "torch": ("bins of two sizes", "more bins than elements"),
    "keras": ("bins that divide",),
    "onnx": ("bins of two sizes",),
}
