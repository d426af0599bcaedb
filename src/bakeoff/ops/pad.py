"""pad: rows and columns of a constant around the picture.

Shape    x (N, H, W, C)  ->  y (N, H + top + bottom, W + left + right, C)

Laws     the middle of y is x, the rest is `value`

Traps    torch   lists the last axis first: (left, right, top, bottom)
         keras   ZeroPadding2D takes ((top, bottom), (left, right)) and knows only 0: a small layer has the others
         onnx    all starts, then all ends, for all axes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.ops._raise import PICTURE
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """`pad` is (top, bottom, left, right)."""

    pad: tuple[int, int, int, int]
    value: float = 0.0

    def __post_init__(self) -> None:
        if min(self.pad) < 0:
            raise UnsupportedError(f"pad: {self.pad} would cut the picture; only sizes of at least 0")


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    top, bottom, left, right = a.pad
    return x[0], x[1] + (top + bottom), x[2] + (left + right), x[3]


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    top, bottom, left, right = a.pad
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=a.value)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    nn, (top, bottom, left, right) = scope.lib.nn, a.pad
    sides = (left, right, top, bottom)
    return scope.helper(nn.ConstantPad2d(sides, a.value) if a.value else nn.ZeroPad2d(sides), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    top, bottom, left, right = a.pad
    if a.value:
        return scope.helper(scope.own.ConstantPad2D(a.pad, a.value, name=scope.name), x, suffix="")
    return scope.helper(scope.lib.layers.ZeroPadding2D(((top, bottom), (left, right)), name=scope.name), x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    top, bottom, left, right = a.pad
    sides = scope.constant(np.array((0, 0, top, left, 0, 0, bottom, right), np.int64))
    return scope.emit("Pad", [x, sides, scope.constant(np.asarray(a.value, scope.dtype))], mode="constant")


def from_torch(call: Call) -> Any:
    x = call.value(call["self"])
    mode, value, sides = call.get("mode", "constant"), call.number(call.get("value")) or 0.0, list(call["pad"])
    if not any(sides):
        return x
    by_axis = {x.order[-1 - i]: (sides[2 * i], sides[2 * i + 1]) for i in range(len(sides) // 2)}
    if (
        mode != "constant"
        or x.order != PICTURE
        or min(sides) < 0
        or any(by_axis.get(k, (0, 0)) != (0, 0) for k in (0, 3))
    ):
        raise call.refuse(f"mode {mode!r}, pads {sides} (only a constant over height and width)")
    pads = (*by_axis.get(1, (0, 0)), *by_axis.get(2, (0, 0)))
    return call.emit("pad", {"pad": pads, "value": float(value)}, x)


FROM_TORCH = {"aten.pad": from_torch, "aten.constant_pad_nd": from_torch}


def from_keras(call: LayerCall) -> Any:
    (top, bottom), (left, right) = call.layer.padding
    return call.emit("pad", {"pad": (top, bottom, left, right)}, call.inputs[0])


FROM_KERAS = {"layers.ZeroPadding2D": from_keras}
CASES = {
    "zeros": Case(((2, 3, 4, 5),), Attributes((1, 1, 1, 1))),
    "another value, uneven": Case(((2, 3, 4, 5),), Attributes((0, 1, 2, 0), -1.5)),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"pad": (1, 1, 0, 2), "value": 1.0}
GAPS = {"modes reflect and replicate": "not yet: raises UnsupportedError"}
SHOWN = {"torch": ("another value, uneven",), "keras": ("another value, uneven",), "onnx": ("another value, uneven",)}
