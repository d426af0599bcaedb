"""avg_pool2d: the mean under each window.

Shape    x (N, H, W, C)  ->  y (N, H', W', C)
         H' = (H + top + bottom - window_h) // stride_h + 1, and W' in the same way; "same": H' = ceil(H / stride_h)

         `beyond` is (bottom, right): so many elements more than the pad, as ceil_mode reaches

Formula  the sum over the window, divided by the elements of it that lie in x, or in x and its pad
         (`count_include_pad`), never beyond; or by `divisor`, where there is one

Laws     linear in x; without pad a constant x stays what it is; with pad only if padding isn't counted

Traps    torch   counts padding by default (count_include_pad=True); with ceil_mode the elements beyond the padding
                 aren't counted; one pad for both sides, of at most half the window
         keras   "same" never counts padding, and "valid" has none: anything else is padded first, and divided by the
                 mean of ones that are padded likewise
         onnx    count_include_pad is 0 by default; a missing `strides` means 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._importers import IMAGE, reaching, windowed
from bakeoff.ops._importers_keras import keras_pooling
from bakeoff.ops._page import Call, Case, Gap, Mode, Scope, roundings
from bakeoff.ops._window import Pad, explicit, output, torch_pad, windows
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """`pad` is "same" or (top, bottom, left, right)."""

    window: tuple[int, int]
    stride: tuple[int, int]
    pad: Pad = (0, 0, 0, 0)
    count_include_pad: bool = False
    beyond: tuple[int, int] = (0, 0)
    divisor: int | None = None

    def __post_init__(self) -> None:
        if self.pad == "same" and any(self.beyond):
            raise UnsupportedError('avg_pool2d: "same" reaches every element; `beyond` goes with an explicit pad')

    @property
    def reached(self) -> Pad:
        """The pad and what lies beyond it."""
        if self.pad == "same":
            return "same"
        top, bottom, left, right = self.pad
        return top, bottom + self.beyond[0], left, right + self.beyond[1]


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    height, width = output(x, a.window, a.stride, a.reached, "avg_pool2d")
    return x[0], height, width, x[3]


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = windows(x, a.window, a.stride, a.reached, 0.0).mean(axis=(-2, -1))
    if a.divisor:
        return np.asarray(y * (a.window[0] * a.window[1] / a.divisor))
    share = _share(a, x.shape).astype(x.dtype)
    return np.asarray(y / share)


def _share(a: Attributes, x: Shape) -> Array:
    """What part of each window counts: (1, H', W', 1)."""
    inside = np.ones((1, fixed(x[1], "avg_pool2d"), fixed(x[2], "avg_pool2d"), 1))
    pads = explicit(x, a.window, a.stride, a.pad)
    assert pads is not None
    counted = np.pad(inside, ((0, 0), pads[:2], pads[2:], (0, 0)), constant_values=float(a.count_include_pad))
    return np.asarray(windows(counted, a.window, a.stride, (0, a.beyond[0], 0, a.beyond[1]), 0.0).mean(axis=(-2, -1)))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    padding = torch_pad(scope.shapes[0], a.window, a.stride, a.reached)
    pads = explicit(scope.shapes[0], a.window, a.stride, a.pad)
    even = pads is not None and pads[0::2] == pads[1::2]  # torch counts a pad, and no elements of ceil_mode
    if padding is not None and (even or a.divisor or not a.count_include_pad):
        pad, ceil = padding
        pool = scope.lib.nn.AvgPool2d(a.window, a.stride, pad, ceil, a.count_include_pad, a.divisor)
        return scope.helper(pool, x, suffix="")
    own = scope.own.AvgPool2d(a.window, a.stride, pads or a.pad, a.count_include_pad, a.beyond, a.divisor)
    return scope.helper(own, x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    ops, layers, pads = scope.lib.ops, scope.lib.layers, explicit(scope.shapes[0], a.window, a.stride, a.pad)
    if a.pad == "same" and not a.count_include_pad and not a.divisor:
        return scope.helper(layers.AveragePooling2D(a.window, a.stride, "same", name=scope.name), x, suffix="")
    if pads is None:
        if a.divisor:
            raise UnsupportedError('avg_pool2d: "same" with a divisor needs a fixed size. Fix the input size.')
        return scope.helper(scope.own.AvgPool2D(a.window, a.stride, a.pad, True, name=scope.name), x, suffix="")
    y = _padded(scope, x, (pads[0], pads[1] + a.beyond[0], pads[2], pads[3] + a.beyond[1]), suffix="_pad")
    y = scope.helper(layers.AveragePooling2D(a.window, a.stride, "valid", name=scope.name), y, suffix="")
    if a.divisor:
        return y * (a.window[0] * a.window[1] / a.divisor)
    if (a.count_include_pad and not any(a.beyond)) or not any((*pads, *a.beyond)):
        return y
    ones = ops.ones_like(x[:1, :, :, :1])
    if a.count_include_pad:
        ones = ops.pad(ones, ((0, 0), pads[:2], pads[2:], (0, 0)), constant_values=1)
    pads = (0, 0, 0, 0) if a.count_include_pad else pads
    ones = _padded(scope, ones, (pads[0], pads[1] + a.beyond[0], pads[2], pads[3] + a.beyond[1]), suffix="_ones_pad")
    name = f"{scope.name}_ones"
    return y / scope.helper(layers.AveragePooling2D(a.window, a.stride, "valid", name=name), ones, suffix="_ones")


def _padded(scope: Scope, x: Any, pads: tuple[int, int, int, int], suffix: str) -> Any:
    if not any(pads):
        return x
    top, bottom, left, right = pads
    pad = scope.lib.layers.ZeroPadding2D(((top, bottom), (left, right)), name=f"{scope.name}{suffix}")
    return scope.helper(pad, x, suffix=suffix)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    pads = explicit(scope.shapes[0], a.window, a.stride, a.reached)
    counted = a.count_include_pad or bool(a.divisor)
    common = {"kernel_shape": a.window, "strides": a.stride, "count_include_pad": int(counted or any(a.beyond))}
    if pads is None:
        y = scope.emit("AveragePool", [x], auto_pad="SAME_UPPER", **common)
    else:
        top, bottom, left, right = pads
        y = scope.emit("AveragePool", [x], pads=(top, left, bottom, right), **common)
    if a.divisor:
        number = a.window[0] * a.window[1] / a.divisor
        return scope.emit("Mul", [y, scope.constant(np.asarray(number, scope.dtype))])
    if not any(a.beyond):
        return y
    share = _share(a, scope.shapes[0]).transpose(0, 3, 1, 2).astype(scope.dtype)
    return scope.emit("Div", [y, scope.constant(share)])


def from_torch(call: Call) -> Any:
    x, after, told = windowed(call)
    window, (down, across) = told("kernel_size", 1), told("padding", 0)
    stride, pads, beyond = told("stride", 1) if call["stride"] else window, (down, down, across, across), (0, 0)
    if call["ceil_mode"]:
        more = reaching(x.sizes[2:], after, window, stride, pads)
        beyond = more[1] - pads[1], more[3] - pads[3]
    attributes = {"window": window, "stride": stride, "pad": pads, "beyond": beyond}
    counts = {"count_include_pad": call["count_include_pad"], "divisor": call.get("divisor_override") or None}
    return call.reshaped(call.emit("avg_pool2d", {**attributes, **counts}, x), call.sizes)


def from_volume(call: Call) -> Any:
    """avg_pool3d with a window along one axis alone, as local response normalisation calls it."""
    window, x = list(call["kernel_size"]), call.value(call["self"])
    single = len(window) == 3 and window[1:] == [1, 1]
    plain_call = not any(call["padding"]) and set(call["stride"] or window) == {1} and not call["divisor_override"]
    if not single or not plain_call or x.rank != 5:
        raise call.refuse(f"a window of {window} (only one along the first axis, with stride 1)")
    n, c, d, h, w = x.sizes
    image = call.arranged(call.reshaped(x, (n * c, 1, d, h * w)), IMAGE)
    y = call.emit("avg_pool2d", {"window": (window[0], 1), "stride": (1, 1)}, image)
    return call.reshaped(y, call.sizes)


FROM_TORCH = {"aten.avg_pool1d": from_torch, "aten.avg_pool2d": from_torch, "aten.avg_pool3d": from_volume}
FROM_KERAS = dict.fromkeys(
    ("layers.AveragePooling1D", "layers.AveragePooling2D"), keras_pooling("avg_pool2d", count_include_pad=False)
)
CASES = {
    "the usual halving": Case(((2, 6, 6, 3),), Attributes((2, 2), (2, 2))),
    "padded like torch": Case(((1, 7, 6, 2),), Attributes((3, 3), (2, 2), (1, 1, 1, 1), True)),
    "padded, real elements alone": Case(((1, 7, 6, 2),), Attributes((3, 3), (2, 2), (1, 1, 1, 1))),
    "uneven pad": Case(((1, 6, 6, 2),), Attributes((3, 3), (2, 2), (0, 1, 0, 1))),
    "uneven pad, counted": Case(((1, 6, 6, 2),), Attributes((3, 2), (2, 1), (0, 1, 1, 0), True)),
    "ceil_mode": Case(((1, 6, 8, 2),), Attributes((2, 3), (2, 2), beyond=(0, 1))),
    "ceil_mode beyond a counted pad": Case(((1, 6, 6, 2),), Attributes((3, 3), (2, 2), (1, 1, 1, 1), True, (1, 1))),
    "a divisor of its own": Case(((1, 7, 6, 2),), Attributes((3, 2), (2, 2), (1, 1, 0, 0), divisor=4)),
    "same": Case(((1, 6, 5, 2),), Attributes((3, 3), (2, 2), "same")),
    "same, counted": Case(((1, 6, 5, 2),), Attributes((3, 3), (2, 2), "same", True)),
}
TOLERANCE = roundings(9)
MUTATIONS: dict[str, Any] = {
    "pad": (1, 0, 1, 0),
    "stride": (1, 1),
    "window": (3, 3),
    "count_include_pad": True,
    "beyond": (1, 1),
    "divisor": 7,
}
DIVIDED, CEILED = Attributes((3, 3), (2, 2), "same", divisor=4), Attributes((2, 3), (2, 2), beyond=(0, 1))
GAPS = {
    '"same" with a divisor on a free size': Gap("keras", Case(((2, 6, 8, 2),), DIVIDED), free=True),
    "ceil_mode on a free size": Gap("onnx", Case(((2, 6, 8, 2),), CEILED), free=True),
}
SHOWN = {
    "torch": ("padded like torch", "ceil_mode beyond a counted pad"),
    "keras": ("same, counted", "uneven pad, counted"),
    "onnx": ("padded, real elements alone",),
}
