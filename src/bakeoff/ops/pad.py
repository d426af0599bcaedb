"""pad: rows and columns around the image: a constant, its mirror image, or its edge repeated.

Shape    x (N, H, W, C)  ->  y (N, H + top + bottom, W + left + right, C)

Laws     the middle of y is x, the rest is `value`; "reflect" mirrors at the outermost elements, which come once;
         "replicate" repeats them

Traps    torch   lists the last axis first: (left, right, top, bottom)
         keras   ZeroPadding2D takes ((top, bottom), (left, right)) and knows only 0: ops.pad has the others;
                 TensorFlow's pad has no "replicate": the edge is cut out, repeated and joined
         onnx    all starts, then all ends, for all axes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._importers import IMAGE
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """`pad` is (top, bottom, left, right)."""

    pad: tuple[int, int, int, int]
    value: float = 0.0
    mode: Literal["constant", "reflect", "replicate"] = "constant"

    def __post_init__(self) -> None:
        if min(self.pad) < 0:
            raise UnsupportedError(f"pad: {self.pad} would cut the image; only sizes of at least 0")


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    top, bottom, left, right = a.pad
    for size, sides in ((x[1], a.pad[:2]), (x[2], a.pad[2:])):
        if a.mode == "reflect" and isinstance(size, int) and max(sides) >= size:
            raise UnsupportedError(f"pad: a mirror image of {max(sides)} elements of only {size}")
    return x[0], x[1] + (top + bottom), x[2] + (left + right), x[3]


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    top, bottom, left, right = a.pad
    sides = ((0, 0), (top, bottom), (left, right), (0, 0))
    if a.mode == "constant":
        return np.pad(x, sides, constant_values=a.value)
    return np.pad(x, sides, mode="edge" if a.mode == "replicate" else "reflect")


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    nn, (top, bottom, left, right) = scope.lib.nn, a.pad
    sides = (left, right, top, bottom)
    if a.mode != "constant":
        kind = nn.ReflectionPad2d if a.mode == "reflect" else nn.ReplicationPad2d
        return scope.helper(kind(sides), x, suffix="")
    return scope.helper(nn.ConstantPad2d(sides, a.value) if a.value else nn.ZeroPad2d(sides), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    top, bottom, left, right = a.pad
    if a.mode == "replicate":
        return _edges(scope.lib.ops, _edges(scope.lib.ops, x, 1, top, bottom), 2, left, right)
    if a.mode == "reflect":
        return scope.lib.ops.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), mode="reflect")
    if a.value:
        return scope.lib.ops.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=a.value)
    return scope.helper(scope.lib.layers.ZeroPadding2D(((top, bottom), (left, right)), name=scope.name), x, suffix="")


def _edges(ops: Any, x: Any, axis: int, before: int, after: int) -> Any:
    """The first and the last row or column, as often as they are asked for, around the image."""
    rest = (slice(None),) * axis
    parts = [ops.repeat(x[(*rest, slice(0, 1))], before, axis=axis)] if before else []
    parts += [x] + ([ops.repeat(x[(*rest, slice(-1, None))], after, axis=axis)] if after else [])
    return ops.concatenate(parts, axis=axis) if len(parts) > 1 else x


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    top, bottom, left, right = a.pad
    sides = scope.constant(np.array((0, 0, top, left, 0, 0, bottom, right), np.int64))
    if a.mode != "constant":
        return scope.emit("Pad", [x, sides], mode="edge" if a.mode == "replicate" else "reflect")
    return scope.emit("Pad", [x, sides, scope.constant(np.asarray(a.value, scope.dtype))], mode="constant")


def from_torch(call: Call) -> Any:
    x = call.value(call["self"])
    mode, value, sides = call.get("mode", "constant"), call.number(call.get("value")) or 0.0, list(call["pad"])
    by_axis = {x.order[-1 - i]: (sides[2 * i], sides[2 * i + 1]) for i in range(len(sides) // 2)}
    for axis, (before, after) in by_axis.items():
        if before < 0 or after < 0:  # a negative pad cuts
            attributes = {"axis": axis, "start": max(-before, 0), "stop": min(after, 0) or None}
            x = call.emit("slice", attributes, x, order=x.order)
    pads = {axis: (max(before, 0), max(after, 0)) for axis, (before, after) in by_axis.items()}
    if not any(map(any, pads.values())):
        return x
    image = x.order == IMAGE and not any(map(any, (pads.get(0, ()), pads.get(3, ()))))
    if image and mode in ("constant", "reflect", "replicate"):
        around = (*pads.get(1, (0, 0)), *pads.get(2, (0, 0)))
        return call.emit("pad", {"pad": around, "value": float(value), "mode": mode}, x)
    if mode == "circular":
        return _circular(call, x, pads)
    if mode != "constant":
        raise call.refuse(f"mode {mode!r}, pads {sides} (beyond an image's height and width only a constant)")
    every = tuple(pads.get(axis, (0, 0)) for axis in range(x.rank))
    return call.emit("pad_axes", {"pads": every, "value": float(value)}, x, order=x.order)


def _circular(call: Call, x: Any, pads: dict[int, tuple[int, int]]) -> Any:
    """What lies at the other end, joined on."""
    for axis, (before, after) in pads.items():
        size = x.sizes[x.order.index(axis)]
        parts = [x]
        if before:
            parts.insert(0, call.emit("slice", {"axis": axis, "start": size - before}, x, order=x.order))
        if after:
            parts.append(call.emit("slice", {"axis": axis, "start": 0, "stop": after}, x, order=x.order))
        x = call.emit("concat", {"axis": axis}, *parts, order=x.order) if len(parts) > 1 else x
    return x


FROM_TORCH = {"aten.pad": from_torch, "aten.constant_pad_nd": from_torch}


def from_keras(call: LayerCall) -> Any:
    (top, bottom), (left, right) = call.layer.padding
    return call.emit("pad", {"pad": (top, bottom, left, right)}, call.inputs[0])


FROM_KERAS = {"layers.ZeroPadding2D": from_keras}
CASES = {
    "zeros": Case(((2, 3, 4, 5),), Attributes((1, 1, 1, 1))),
    "another value, uneven": Case(((2, 3, 4, 5),), Attributes((0, 1, 2, 0), -1.5)),
    "a mirror image": Case(((2, 3, 4, 5),), Attributes((1, 2, 2, 0), mode="reflect")),
    "the edge repeated": Case(((2, 3, 4, 5),), Attributes((0, 3, 2, 1), mode="replicate")),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"pad": (1, 1, 0, 2), "value": 1.0, "mode": "reflect"}
SHOWN = {
    "torch": ("another value, uneven",),
    "keras": ("another value, uneven", "the edge repeated"),
    "onnx": ("another value, uneven",),
}
