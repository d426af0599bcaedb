"""max_pool2d: keep the largest value under each window.

Shape    x (N, H, W, C)  ->  y (N, H', W', C)
         H' = (H + top + bottom - dilation_h * (window_h - 1) - 1) // stride_h + 1, and W' in the same way;
         "same": H' = ceil(H / stride_h)

Laws     every value of y occurs in x;  max_pool2d(x + c) = max_pool2d(x) + c;
         window (1, 1) with stride (1, 1) changes nothing

Traps    torch   a pad must be the same on both sides and at most half the window: else pad first, with the lowest
                 value; ceil_mode changes the shape: it is a pad of up to stride - 1 elements at the end
         keras   knows only "valid" and "same": pad first, with the lowest value: zeros would win over negative inputs
                 no dilation: the elements of the window are shifted copies, and the largest is kept
         onnx    a missing `strides` means 1, where torch's missing stride means the window
         ties    the gradient goes to the window's first element, row by row: so do the kernels of torch, TensorFlow and
                 XLA on a CPU, in each precision
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._importers import reaching, windowed
from bakeoff.ops._importers_keras import keras_pooling
from bakeoff.ops._page import Call, Case, Gap, Mode, Scope
from bakeoff.ops._ties import chosen
from bakeoff.ops._window import Pad, explicit, output, reach, slices, torch_pad, torch_same, windows
from bakeoff.schemas import Array

LAYOUT = "spatial"
LOWEST = float("-inf")  # what padding holds: a value that never wins


@dataclass(frozen=True)
class Attributes:
    """`pad` is "same" or (top, bottom, left, right)."""

    window: tuple[int, int]
    stride: tuple[int, int]
    pad: Pad = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def spans(self) -> tuple[int, int]:
        """Positions that the dilated window covers."""
        return reach(self.window[0], self.dilation[0]), reach(self.window[1], self.dilation[1])


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    height, width = output(x, a.spans, a.stride, a.pad, "max_pool2d")
    return x[0], height, width, x[3]


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.asarray(windows(x, a.spans, a.stride, a.pad, LOWEST, a.dilation).max(axis=(-2, -1)))


def gradient(a: Attributes, dy: Array, x: Array) -> tuple[Array, ...]:
    slide = partial(windows, spans=a.spans, stride=a.stride, pad=a.pad, dilation=a.dilation)
    seen, places = slide(x, value=LOWEST), slide(np.arange(x.size).reshape(x.shape), value=0)
    first = seen.reshape(*dy.shape, -1).argmax(-1)[..., None]
    dx = np.zeros(x.size, x.dtype)
    np.add.at(dx, np.take_along_axis(places.reshape(*dy.shape, -1), first, -1).ravel(), dy.ravel())
    return (dx.reshape(x.shape),)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    nn = scope.lib.nn
    padding = torch_pad(scope.shapes[0], a.spans, a.stride, a.pad) if a.dilation == (1, 1) else None
    pad, ceil = padding or ((0, 0), False)
    if padding is None:
        pads = explicit(scope.shapes[0], a.spans, a.stride, a.pad)
        sides = torch_same(x, a.spans, a.stride) if pads is None else (*pads[2:], *pads[:2])
        x = nn.functional.pad(x, sides, value=LOWEST)
    return scope.helper(nn.MaxPool2d(a.window, a.stride, pad, a.dilation, ceil_mode=ceil), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    pads = explicit(scope.shapes[0], a.spans, a.stride, a.pad)
    own = a.pad == "same" and a.dilation == (1, 1)
    if pads is None and not own:
        raise UnsupportedError('max_pool2d: "same" with dilation needs a fixed size. Build the net for one input size.')
    if pads is not None and any(pads) and not own:
        top, bottom, left, right = pads
        x = scope.lib.ops.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=LOWEST)
    if a.dilation != (1, 1):
        larger = partial(chosen, scope.lib.ops.where, ties="first")
        elements = slices(a.spans, a.dilation, a.stride)  # of the window, each a strided slice of the padded image
        return reduce(larger, [x[:, row, column] for row, column in elements])
    padding = "same" if own else "valid"
    return scope.helper(scope.lib.layers.MaxPooling2D(a.window, a.stride, padding, name=scope.name), x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    pads = explicit(scope.shapes[0], a.spans, a.stride, a.pad)
    common = {"kernel_shape": a.window, "strides": a.stride, "dilations": a.dilation}
    if pads is None:
        return scope.emit("MaxPool", [x], auto_pad="SAME_UPPER", **common)
    top, bottom, left, right = pads
    return scope.emit("MaxPool", [x], pads=(top, left, bottom, right), **common)


def from_torch(call: Call) -> Any:
    x, after, told = windowed(call)
    window, dilation, (down, across) = told("kernel_size", 1), told("dilation", 1), told("padding", 0)
    stride, pads = told("stride", 1) if call["stride"] else window, (down, down, across, across)
    if call["ceil_mode"]:
        spans = reach(window[0], dilation[0]), reach(window[1], dilation[1])
        pads = reaching(x.sizes[2:], after, spans, stride, pads)
    attributes = {"window": window, "stride": stride, "pad": pads, "dilation": dilation}
    return call.reshaped(call.emit("max_pool2d", attributes, x), call.sizes)


FROM_TORCH = {
    **dict.fromkeys(("aten.max_pool1d", "aten.max_pool2d"), from_torch),
    "aten.max_pool2d_with_indices": lambda call: (from_torch(call), None),
}
FROM_KERAS = dict.fromkeys(("layers.MaxPooling1D", "layers.MaxPooling2D"), keras_pooling("max_pool2d"))
CASES = {
    "the usual halving": Case(((2, 6, 6, 3),), Attributes((2, 2), (2, 2))),
    "the ResNet stem, on an odd size": Case(((1, 7, 5, 2),), Attributes((3, 3), (2, 2), (1, 1, 1, 1))),
    "uneven pad": Case(((1, 6, 6, 1),), Attributes((3, 3), (2, 2), (0, 1, 0, 1))),
    "same": Case(((1, 6, 5, 2),), Attributes((3, 3), (2, 2), "same")),
    "ceil_mode on an even size": Case(((1, 6, 8, 2),), Attributes((3, 3), (2, 2), (0, 1, 0, 1))),
    "dilated": Case(((1, 9, 8, 2),), Attributes((2, 3), (2, 1), (0, 1, 1, 1), (3, 2))),
    "the identity": Case(((1, 4, 4, 1),), Attributes((1, 1), (1, 1))),
    "ties": Case(((2, 7, 6, 3),), Attributes((3, 3), (2, 2), (1, 1, 1, 1)), ties=True),
    "ties, dilated": Case(((1, 9, 8, 2),), Attributes((2, 3), (2, 1), (0, 1, 1, 1), (3, 2)), ties=True),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # a maximum is chosen, never computed: bit for bit
MUTATIONS: dict[str, Any] = {"pad": (1, 0, 1, 0), "stride": (1, 1), "window": (3, 3), "dilation": (1, 2)}
DILATED = Case(((2, 8, 8, 3),), Attributes((3, 3), (2, 2), "same", (2, 2)))
GAPS = {'"same" with dilation on a free size': Gap("keras", DILATED, free=True)}
SHOWN = {
    "torch": ("uneven pad", "ceil_mode on an even size"),
    "keras": ("the ResNet stem, on an odd size", "dilated"),
    "onnx": ("the usual halving",),
    "ties": ("ties", "ties, dilated"),
}
