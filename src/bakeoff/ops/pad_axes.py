"""pad_axes: a constant around a value of any rank, axis by axis.

Shape    x  ->  y; axis i grows by the two sides `pads[i]`

Laws     the middle of y is x, the rest is `value`; around images it is pad

Traps    torch   lists the last axis first, and stops where nothing is padded
         onnx    all starts, then all ends, for all axes
Raised   from torch by pad
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """`pads` has (before, after) for each canonical axis."""

    pads: tuple[tuple[int, int], ...]
    value: float = 0.0

    def __post_init__(self) -> None:
        if any(min(sides) < 0 for sides in self.pads):
            raise UnsupportedError(f"pad_axes: {self.pads} would cut; only sizes of at least 0")


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    if len(a.pads) != len(x):
        raise UnsupportedError(f"pad_axes: {len(a.pads)} pairs of sides for {x}")
    return tuple(size + (before + after) for size, (before, after) in zip(x, a.pads, strict=True))


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.pad(x, a.pads, constant_values=a.value)


def _lain(scope: Scope, a: Attributes) -> list[tuple[int, int]]:
    return [a.pads[axis] for axis in scope.orders[0]]


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    sides = _lain(scope, a)
    while sides and sides[0] == (0, 0):
        del sides[0]
    flat = [elements for pair in reversed(sides) for elements in pair]
    return scope.lib.nn.functional.pad(x, flat, value=a.value) if flat else x


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    settings = {"constant_values": a.value} if a.value else {}
    return scope.lib.ops.pad(x, _lain(scope, a), **settings)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    starts, ends = zip(*_lain(scope, a), strict=True)
    value = scope.constant(np.asarray(a.value, scope.dtype))
    return scope.emit("Pad", [x, scope.constant(np.array(starts + ends, np.int64)), value], mode="constant")


def from_keras(call: LayerCall) -> Any:
    x, given = call.inputs[0], tuple(call.layer.pad_width)
    pads = tuple((int(p[0]), int(p[-1])) for p in (given * x.rank if len(given) == 1 else given))
    values = call.kwargs.get("constant_values", call.args[1] if len(call.args) > 1 else None)
    value = 0.0 if values is None else call.number(values)
    if call.layer.mode == "constant" and value is not None and pads[0] == (0, 0):
        if x.rank == 4 and pads[3] == (0, 0):
            return call.emit("pad", {"pad": (*pads[1], *pads[2]), "value": value}, x)
        return call.emit("pad_axes", {"pads": pads, "value": value}, x)
    if call.layer.mode == "reflect" and x.rank == 4 and pads[0] == pads[3] == (0, 0):
        return call.emit("pad", {"pad": (*pads[1], *pads[2]), "mode": "reflect"}, x)
    raise call.refuse(f"mode={call.layer.mode!r}, pads {pads}", "Known: a constant, or a mirror image of images.")


def from_layer(call: LayerCall) -> Any:
    start, end = call.layer.padding
    return call.emit("pad_axes", {"pads": ((0, 0), (start, end), (0, 0))}, call.inputs[0])


FROM_KERAS = {"layers.ZeroPadding1D": from_layer, "ops.Pad": from_keras}
CASES = {
    "tokens": Case(((2, 3, 4),), Attributes(((0, 0), (1, 2), (0, 0)))),
    "channels of an image": Case(((2, 3, 4, 5),), Attributes(((0, 0), (0, 1), (0, 0), (2, 3)), 0.5)),
    "features": Case(((2, 3),), Attributes(((0, 0), (0, 2)), -1.0)),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"pads": ((0, 0), (2, 1), (0, 0)), "value": 2.0}
SHOWN = {"torch": ("channels of an image",), "onnx": ("channels of an image",)}
