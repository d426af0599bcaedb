"""unfold: the elements under each place of a sliding window, side by side (im2col).

Shape    x (N, H, W, C)  ->  y (N, H' W', C kh kw)
         places counted by rows, columns by channel, then kernel row and kernel column
         H' = (H + top + bottom - dilation_h * (kh - 1) - 1) // stride_h + 1, and W' in the same way

Laws     a product with a kernel laid out likewise is conv2d; fold of it is x times the windows at each element

Traps    torch   gives (N, C kh kw, H' W'), the channel counted slowest; one pad for both sides
         tf      extract_patches counts the channel fastest: kernel row, column, channel
         onnx    has no node for it: slices, joined
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape, fixed, product
from bakeoff.ops._importers import IMAGE as TORCH_IMAGE
from bakeoff.ops._importers import torch_window
from bakeoff.ops._page import Call, Case, Gap, Mode, Scope
from bakeoff.ops._window import Sliding, output, slices, windows
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes(Sliding):
    """`pad` is (top, bottom, left, right), zeros."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    down_across = output(x, a.spans, a.stride, a.pad, "unfold")
    return x[0], product(down_across, "unfold"), product((x[3], *a.kernel), "unfold")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    elements = windows(x, a.spans, a.stride, a.pad, 0.0, a.dilation)
    return np.ascontiguousarray(elements).reshape(len(x), elements.shape[1] * elements.shape[2], -1)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    nn, (top, bottom, left, right) = scope.lib.nn, a.pad
    pad = (top, left)
    if a.pad[0::2] != a.pad[1::2]:
        x, pad = nn.functional.pad(x, (left, right, top, bottom)), (0, 0)
    return scope.laid(scope.helper(nn.Unfold(a.kernel, a.dilation, pad, a.stride), x, suffix=""), (0, 2, 1))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    ops, (top, bottom, left, right) = scope.lib.ops, a.pad
    if any(a.pad):
        x = ops.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    elements = ops.stack([x[:, row, column] for row, column in slices(a.spans, a.dilation, a.stride)], axis=-1)
    return ops.reshape(elements, (-1, *shape(a, *scope.shapes)[1:]))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    top, bottom, left, right = a.pad
    if any(a.pad):
        x = scope.emit("Pad", [x, scope.constant(np.array((0, 0, top, left, 0, 0, bottom, right), np.int64))])
    axes, steps, two = (scope.constant(np.array(numbers, np.int64)) for numbers in ((2, 3), a.stride, (2,)))
    parts = []
    for both in slices(a.spans, a.dilation, a.stride):
        starts = scope.constant(np.array([part.start for part in both], np.int64))
        ends = scope.constant(np.array([part.stop or np.iinfo(np.int64).max for part in both], np.int64))
        parts.append(scope.emit("Unsqueeze", [scope.emit("Slice", [x, starts, ends, axes, steps]), two]))
    places, columns = (fixed(size, "unfold") for size in shape(a, *scope.shapes)[1:])
    together = scope.emit("Concat", parts, axis=2)
    target = scope.constant(np.array((0, columns, places), np.int64))
    return scope.laid(scope.emit("Reshape", [together, target]), (0, 2, 1))


def from_torch(call: Call) -> Any:
    return call.emit("unfold", torch_window(call), call.arranged(call["self"], TORCH_IMAGE), order=(0, 2, 1))


FROM_TORCH = {"aten.im2col": from_torch}
CASES = {
    "patches": Case(((2, 6, 4, 3),), Attributes((2, 2), (2, 2))),
    "overlapping, padded": Case(((1, 5, 4, 3),), Attributes((3, 3), (1, 1), (1, 1, 1, 1))),
    "dilated, uneven": Case(((1, 7, 6, 2),), Attributes((2, 3), (2, 1), (0, 1, 1, 0), (2, 1))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"pad": (2, 0, 1, 1), "dilation": (1, 2)}
FREE = Case(((2, 6, 4, 3),), Attributes((2, 2), (2, 2)))
GAPS = {"free sizes": Gap("torch, keras, onnx", FREE, free=True, kind="never")}
SHOWN = {"torch": ("dilated, uneven",), "tf": ("patches",), "onnx": ("overlapping, padded",)}
