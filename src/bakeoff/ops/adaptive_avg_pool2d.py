"""adaptive_avg_pool2d: the mean of each bin, so many bins that the output has a given size.

Shape    x (N, H, W, C)  ->  y (N, h, w, C), size (h, w)
         bin i of H elements into h: from floor(i H / h) to ceil((i + 1) H / h), and W in the same way

Laws     where h divides H it is avg_pool2d with window and stride H / h; h = H changes nothing; linear in x

Traps    torch   bins overlap and differ in size where h doesn't divide H; h may be larger than H (VGG at 32 px)
         keras   needs a size that is known when the net is built
         onnx    has no node for it: bins are products with constant matrices
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops import _bins
from bakeoff.ops._bins import Attributes, even, keras_pool, mean_matrix
from bakeoff.ops._dimension import fixed
from bakeoff.ops._elementwise import module
from bakeoff.ops._page import LayerCall, Mode, Scope, roundings
from bakeoff.schemas import Array

LAYOUT, shape = "spatial", _bins.shape
to_torch = module("AdaptiveAvgPool2d", "size")
BINS = keras_pool("adaptive_avg_pool2d", "Average")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    rows, columns = (mean_matrix(x.shape[axis + 1], a.size[axis]).astype(x.dtype) for axis in (0, 1))
    return np.asarray(np.einsum("ih,nhwc,jw->nijc", rows, x, columns, optimize=True))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    whole = scope.lib.layers.GlobalAveragePooling2D(keepdims=True, name=scope.name)
    return scope.helper(whole, x, suffix="") if a.size == (1, 1) else BINS(scope, a, x)


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


FROM_TORCH = {"aten.adaptive_avg_pool1d": _bins.torch_row("adaptive_avg_pool2d")}  # of images: global_avg_pool.py


def from_keras(call: LayerCall) -> Any:
    return call.emit("adaptive_avg_pool2d", {"size": tuple(call.layer.output_size)}, call.inputs[0])


FROM_KERAS = {"layers.AdaptiveAveragePooling2D": from_keras}
CASES, MUTATIONS, GAPS, SHOWN = _bins.CASES, _bins.MUTATIONS, _bins.GAPS, _bins.SHOWN
TOLERANCE = roundings(12)
