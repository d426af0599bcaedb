"""max_pool2d: keep the largest value under each window.

Shape    x (N, H, W, C)  ->  y (N, H', W', C)
         H' = (H + top + bottom - window_h) // stride_h + 1, and W' in the same way; "same": H' = ceil(H / stride_h)

Laws     every value of y occurs in x;  max_pool2d(x + c) = max_pool2d(x) + c;
         window (1, 1) with stride (1, 1) changes nothing

Traps    torch   a pad must be the same on both sides and at most half the window: else pad first, with the lowest
                 value; ceil_mode changes the shape
         keras   knows only "valid" and "same": pad first, with the lowest value: zeros would win over negative inputs
         onnx    a missing `strides` means 1, where torch's missing stride means the window
         ties    where two cells share the maximum, the gradient may go to either: cases have none
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.ops._raise import PICTURE, pair, reaching, symmetric
from bakeoff.ops._window import Pad, explicit, output, torch_same, windows
from bakeoff.schemas import Array

LAYOUT = "spatial"
LOWEST = float("-inf")  # what padding holds: a value that never wins


@dataclass(frozen=True)
class Attributes:
    """`pad` is "same" or (top, bottom, left, right)."""

    window: tuple[int, int]
    stride: tuple[int, int]
    pad: Pad = (0, 0, 0, 0)


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    height, width = output(x, a.window, a.stride, a.pad, "max_pool2d")
    return x[0], height, width, x[3]


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = windows(x, a.window, a.stride, a.pad, LOWEST).max(axis=(-2, -1))
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    nn = scope.lib.nn
    pads = explicit(scope.shapes[0], a.window, a.stride, a.pad)
    pad = (0, 0)
    if pads is None:
        x = nn.functional.pad(x, torch_same(x, a.window, a.stride), value=LOWEST)
    elif pads[0::2] != pads[1::2] or 2 * pads[0] > a.window[0] or 2 * pads[2] > a.window[1]:
        top, bottom, left, right = pads
        x = nn.functional.pad(x, (left, right, top, bottom), value=LOWEST)
    else:
        pad = pads[0], pads[2]
    return scope.helper(nn.MaxPool2d(a.window, a.stride, pad), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    padding = "same" if a.pad == "same" else "valid"
    if a.pad != "same" and any(a.pad):
        top, bottom, left, right = a.pad
        x = scope.lib.ops.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=LOWEST)
    return scope.helper(scope.lib.layers.MaxPooling2D(a.window, a.stride, padding, name=scope.name), x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    pads = explicit(scope.shapes[0], a.window, a.stride, a.pad)
    if pads is None:
        return scope.emit("MaxPool", [x], kernel_shape=a.window, strides=a.stride, auto_pad="SAME_UPPER")
    top, bottom, left, right = pads
    return scope.emit("MaxPool", [x], kernel_shape=a.window, strides=a.stride, pads=(top, left, bottom, right))


def from_torch(call: Call) -> Any:
    x = call.arranged(call["self"], PICTURE)
    window, pads = pair(call["kernel_size"]), symmetric(call["padding"])
    stride = pair(call["stride"] or window)
    if pair(call["dilation"]) != (1, 1):
        raise call.refuse(f"dilation {call['dilation']} (only 1)")
    if call["ceil_mode"]:
        pads = reaching(x.sizes[2:], call.sizes[2:], window, stride, pads)
    return call.emit("max_pool2d", {"window": window, "stride": stride, "pad": pads}, x)


FROM_TORCH = {"aten.max_pool2d": from_torch, "aten.max_pool2d_with_indices": lambda call: (from_torch(call), None)}


def from_keras(call: LayerCall) -> Any:
    layer = call.layer
    attributes = {
        "window": tuple(layer.pool_size),
        "stride": tuple(layer.strides),
        "pad": "same" if layer.padding == "same" else (0, 0, 0, 0),
    }
    return call.emit("max_pool2d", attributes, call.inputs[0])


FROM_KERAS = {"layers.MaxPooling2D": from_keras}
CASES = {
    "the usual halving": Case(((2, 6, 6, 3),), Attributes((2, 2), (2, 2))),
    "the ResNet stem, on an odd size": Case(((1, 7, 5, 2),), Attributes((3, 3), (2, 2), (1, 1, 1, 1))),
    "uneven pad": Case(((1, 6, 6, 1),), Attributes((3, 3), (2, 2), (0, 1, 0, 1))),
    "same": Case(((1, 6, 5, 2),), Attributes((3, 3), (2, 2), "same")),
    "the identity": Case(((1, 4, 4, 1),), Attributes((1, 1), (1, 1))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # a maximum is chosen, never computed: bit for bit
MUTATIONS: dict[str, Any] = {"pad": (1, 0, 1, 0), "stride": (1, 1), "window": (3, 3)}
GAPS = {"torch: ceil_mode, dilation": "not yet: raises UnsupportedError"}
SHOWN = {"torch": ("uneven pad",), "keras": ("the ResNet stem, on an odd size",), "onnx": ("the usual halving",)}
