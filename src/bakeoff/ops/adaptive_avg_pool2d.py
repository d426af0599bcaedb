"""adaptive_avg_pool2d: the mean of each bin, so many bins that the output has a given size.

Shape    x (N, H, W, C)  ->  y (N, h, w, C), size (h, w)
         bin i of H elements into h: from floor(i H / h) to ceil((i + 1) H / h), and W in the same way

Laws     where h divides H it is avg_pool2d with window and stride H / h; h = H changes nothing; linear in x

Traps    torch   bins overlap and differ in size where h doesn't divide H; h may be larger than H (VGG at 32 px)
         keras   needs a size that is known when the net is built
         onnx    has no node for it: bins are products with constant matrices
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._bins import even, mean_matrix
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Case, LayerCall, Mode, Scope, roundings
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """`size` is (height, width)."""

    size: tuple[int, int]


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x[0], *a.size, x[3]


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    rows, columns = (mean_matrix(x.shape[axis + 1], a.size[axis]).astype(x.dtype) for axis in (0, 1))
    y: Array = np.einsum("ih,nhwc,jw->nijc", rows, x, columns, optimize=True)
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    return scope.helper(scope.lib.nn.AdaptiveAvgPool2d(a.size), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    layers, window = scope.lib.layers, even(scope, a.size)
    if a.size == (1, 1):
        pool = layers.GlobalAveragePooling2D(keepdims=True, name=scope.name)
    elif window is not None:
        pool = layers.AveragePooling2D(window, window, name=scope.name)
    else:
        for size in scope.shapes[0][1:3]:
            fixed(size, "adaptive_avg_pool2d in Keras")
        pool = layers.AdaptiveAveragePooling2D(a.size, data_format="channels_last", name=scope.name)
    return scope.helper(pool, x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    if a.size == (1, 1):
        return scope.emit("GlobalAveragePool", [x])
    window = even(scope, a.size)
    if window is not None:
        return scope.emit("AveragePool", [x], kernel_shape=window, strides=window)
    height, width = (fixed(size, "adaptive_avg_pool2d in ONNX") for size in scope.shapes[0][1:3])
    rows, columns = mean_matrix(height, a.size[0]), mean_matrix(width, a.size[1])
    y = scope.emit("MatMul", [scope.constant(rows.astype(scope.dtype)), x])
    return scope.emit("MatMul", [y, scope.constant(columns.T.astype(scope.dtype))])


def from_keras(call: LayerCall) -> Any:
    return call.emit("adaptive_avg_pool2d", {"size": tuple(call.layer.output_size)}, call.inputs[0])


FROM_KERAS = {"layers.AdaptiveAveragePooling2D": from_keras}
CASES = {
    "bins of two sizes": Case(((2, 7, 5, 3),), Attributes((4, 3))),
    "bins that divide": Case(((2, 6, 4, 3),), Attributes((3, 2))),
    "more bins than elements": Case(((2, 2, 3, 4),), Attributes((3, 5))),
    "one bin": Case(((2, 3, 4, 5),), Attributes((1, 1))),
}
TOLERANCE = roundings(12)
MUTATIONS: dict[str, Any] = {"size": (3, 4)}
GAPS = {"keras, onnx: bins that don't divide a free size": "never: bins depend on the size"}
SHOWN = {
    "torch": ("bins of two sizes", "more bins than elements"),
    "keras": ("bins that divide",),
    "onnx": ("bins of two sizes",),
}
