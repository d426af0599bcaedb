"""fold: windows laid back over an image, and summed where they overlap (col2im).

Shape    x (N, H' W', C kh kw), counted as unfold does  ->  y (N, H, W, C), size (H, W)

Laws     linear in x; the transpose of unfold: <unfold(u), x> = <u, fold(x)>

Traps    torch   takes (N, C kh kw, H' W'); what the pad of unfold added is cut off
         keras   has nothing like it: every kernel row and column is spread by the stride, moved and added
         onnx    Col2Im came with opset 18
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._importers import IMAGE as TORCH_IMAGE
from bakeoff.ops._importers import pair, torch_window
from bakeoff.ops._page import Call, Case, Gap, Mode, Scope, roundings
from bakeoff.ops._window import Sliding, output
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes(Sliding):
    """`size` is (height, width) of the image; `pad` (top, bottom, left, right) is what unfold had added."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def places(self) -> tuple[int, int]:
        """How many windows there are, down and across."""
        height, width = output((1, *self.size, 1), self.spans, self.stride, self.pad, "fold")
        return fixed(height, "fold"), fixed(width, "fold")


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    columns, (down, across) = fixed(x[2], "fold: the number of columns"), a.places
    if columns % (a.kernel[0] * a.kernel[1]) or x[1] != down * across:
        raise UnsupportedError(f"fold: {x[1:]} is not {down} x {across} windows of {a.kernel} for a size of {a.size}")
    return x[0], *a.size, columns // (a.kernel[0] * a.kernel[1])


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    (down, across), (rows, columns), (top, bottom, left, right) = a.places, a.stride, a.pad
    elements = x.reshape(len(x), down, across, -1, *a.kernel)
    y = np.zeros((len(x), a.size[0] + top + bottom, a.size[1] + left + right, elements.shape[3]), x.dtype)
    for i, j in np.ndindex(*a.kernel):
        u, v = i * a.dilation[0], j * a.dilation[1]
        y[:, u : u + (down - 1) * rows + 1 : rows, v : v + (across - 1) * columns + 1 : columns] += elements[..., i, j]
    return np.ascontiguousarray(y[:, top : top + a.size[0], left : left + a.size[1]])


def _even(a: Attributes) -> tuple[int, int]:
    if a.pad[0::2] != a.pad[1::2]:
        raise UnsupportedError(f"fold: the pad {a.pad} must be the same on both sides")
    return a.pad[0], a.pad[2]


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    made = scope.lib.nn.Fold(a.size, a.kernel, a.dilation, _even(a), a.stride)
    return scope.laid(scope.helper(made, scope.arranged(0, (0, 2, 1)), suffix=""), (0, 3, 1, 2))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    ops, (down, across), (rows, columns) = scope.lib.ops, a.places, a.stride
    channels, taps = shape(a, *scope.shapes)[3], a.kernel[0] * a.kernel[1]
    elements = ops.reshape(scope.arranged(0, (0, 1, 2)), (-1, down, 1, across, 1, channels, taps))
    elements = ops.pad(elements, ((0, 0), (0, 0), (0, rows - 1), (0, 0), (0, columns - 1), (0, 0), (0, 0)))
    elements = ops.reshape(elements, (-1, down * rows, across * columns, channels, taps))  # spread by the stride
    moved = []
    for tap, (i, j) in enumerate(np.ndindex(*a.kernel)):
        ends = [
            (step * gap, span - 1 - step * gap) for step, gap, span in zip((i, j), a.dilation, a.spans, strict=True)
        ]
        moved.append(ops.pad(elements[..., tap], ((0, 0), *ends, (0, 0))))
    top, left = a.pad[0], a.pad[2]
    y = reduce(add, moved)[:, top : top + a.size[0], left : left + a.size[1]]
    return scope.laid(y, (0, 1, 2, 3))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    size, kernel = (scope.constant(np.array(numbers, np.int64)) for numbers in (a.size, a.kernel))
    top, bottom, left, right = a.pad
    common = {"strides": a.stride, "dilations": a.dilation, "pads": (top, left, bottom, right)}
    return scope.laid(scope.emit("Col2Im", [scope.arranged(0, (0, 2, 1)), size, kernel], **common), (0, 3, 1, 2))


def from_torch(call: Call) -> Any:
    columns = call.arranged(call["self"], (0, 2, 1))
    return call.emit("fold", {"size": pair(call["output_size"]), **torch_window(call)}, columns, order=TORCH_IMAGE)


FROM_TORCH = {"aten.col2im": from_torch}
CASES = {
    "patches": Case(((2, 6, 12),), Attributes((6, 4), (2, 2), (2, 2))),
    "overlapping, padded": Case(((1, 20, 27),), Attributes((5, 4), (3, 3), (1, 1), (1, 1, 1, 1))),
    "strided, a row left over": Case(((1, 4, 18),), Attributes((6, 6), (3, 3), (2, 2))),
    "side by side": Case(((1, 4, 18),), Attributes((6, 6), (3, 3), (3, 3))),
    "dilated": Case(((1, 12, 12),), Attributes((4, 6), (2, 3), (1, 1), (1, 1, 0, 0), (3, 1))),
}
TOLERANCE = roundings(9)
MUTATIONS: dict[str, Any] = {"size": (5, 5), "stride": (3, 3), "pad": (1, 1, 1, 1)}
UNEVEN = Case(((1, 20, 27),), Attributes((5, 4), (3, 3), (1, 1), (2, 0, 1, 1)))
GAPS = {"a pad that is not the same on both sides": Gap("torch", UNEVEN, "must be the same on both sides")}
SHOWN = {"torch": ("overlapping, padded",), "keras": ("strided, a row left over",), "onnx": ("dilated",)}
