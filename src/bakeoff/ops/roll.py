"""roll: places moved along axes; what leaves at one end comes in at the other.

Shape    x  ->  y of the same shape; y[(i + shift) mod n] = x[i] along each of the axes

Laws     rolling back gives x; shifts by the size change nothing

Traps    sign    a positive shift moves towards larger indices; Swin's windows are shifted by a negative one
         onnx    has no roll: the two parts change places
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """One shift for each of the axes."""

    shifts: tuple[int, ...]
    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.shifts) != len(self.axes):
            raise UnsupportedError(f"roll: {len(self.shifts)} shifts for {len(self.axes)} axes")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.roll(x, a.shifts, a.axes)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.roll(x, a.shifts, tuple(map(scope.axis, a.axes)))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    for shift, axis in zip(a.shifts, a.axes, strict=True):
        x = scope.lib.ops.roll(x, shift, scope.axis(axis))
    return x


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    def part(start: int, stop: int, axis: int) -> Any:
        numbers = (scope.constant(np.array([number], np.int64)) for number in (start, stop, axis))
        return scope.emit("Slice", [x, *numbers])

    for shift, canonical in zip(a.shifts, a.axes, strict=True):
        axis, size = scope.axis(canonical), scope.shapes[0][canonical]
        cut = -shift % size if isinstance(size, int) else -shift
        if cut:
            parts = [part(cut, np.iinfo(np.int64).max, axis), part(0, cut, axis)]
            x = scope.emit("Concat", parts, axis=axis)
    return x


def from_torch(call: Call) -> Any:
    x = call.value(call["self"])
    if not call["dims"]:
        raise call.refuse("over all axes at once")
    axes = tuple(x.order[axis] for axis in call["dims"])
    return call.emit("roll", {"shifts": tuple(call["shifts"]), "axes": axes}, x)


FROM_TORCH = {"aten.roll": from_torch}


def from_keras(call: LayerCall) -> Any:
    x, given, axes = call.inputs[0], call.layer.shift, call.layer.axis
    if axes is None:
        raise call.refuse("no axis", "Give an axis for each shift.")
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    shifts = (given,) * len(axes) if isinstance(given, int) else tuple(given)
    return call.emit("roll", {"shifts": shifts, "axes": tuple(axis % x.rank for axis in axes)}, x)


FROM_KERAS = {"ops.Roll": from_keras}
CASES = {
    "windows are shifted": Case(((2, 4, 6, 3),), Attributes((-2, -3), (1, 2))),
    "tokens": Case(((2, 5, 3),), Attributes((2,), (1,))),
    "channels, all the way round": Case(((2, 3, 4),), Attributes((6,), (-1,))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # moved
MUTATIONS: dict[str, Any] = {"shifts": (1, 1), "axes": (2,)}
SHOWN = {"sign": ("windows are shifted",), "onnx": ("tokens", "channels, all the way round")}
