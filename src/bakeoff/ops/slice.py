"""slice: a stretch of one axis, every step-th place of it, or the whole of it backwards.

Shape    x  ->  y; the axis has ceil((stop - start) / step) places

Laws     two slices that meet, side by side, are the whole; reversing twice gives x

Traps    counts  start and stop count from the end where negative; a stop of None is the end
         torch   no negative steps: flip
         onnx    a stop of None is the largest integer; backwards, Slice takes one
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, Size, too_small
from bakeoff.ops._importers_keras import keras_axes
from bakeoff.ops._page import Call, Case, Gap, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"
END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Attributes:
    """`step` is positive, or -1 for the whole axis backwards."""

    axis: int
    start: int = 0
    stop: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        if self.step < 1 and (self.step, self.start, self.stop) != (-1, 0, None):
            raise UnsupportedError(f"slice: step {self.step}; only steps from 1, or -1 over the whole axis")


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    axis = a.axis % len(x)
    size = x[axis]
    if a.step > 0:
        first, last = _place(a.start, size), size if a.stop is None else _place(a.stop, size)
        size = (last - first + (a.step - 1)) // a.step
    if too_small(size):
        raise UnsupportedError(f"slice: {a.start}:{a.stop} of axis {axis} of {x} is empty")
    return (*x[:axis], size, *x[axis + 1 :])


def _place(index: int, size: Size) -> Size:
    """Counted from the start; beyond the end is the end."""
    if not isinstance(size, int):
        return index if index >= 0 else size + index
    return min(max(index if index >= 0 else size + index, 0), size)


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return x[_index(a, a.axis % x.ndim)]


def _index(a: Attributes, axis: int) -> tuple[slice, ...]:
    stretch = slice(None, None, -1) if a.step < 0 else slice(a.start or None, a.stop, None if a.step == 1 else a.step)
    return (slice(None),) * axis + (stretch,)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axis = scope.axis(a.axis)
    return x.flip(axis) if a.step < 0 else x[_index(a, axis)]


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axis = scope.axis(a.axis)
    return scope.lib.ops.flip(x, axis) if a.step < 0 else x[_index(a, axis)]


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    start, stop = (-1, -END) if a.step < 0 else (a.start, END if a.stop is None else a.stop)
    numbers = (start, stop, scope.axis(a.axis), a.step)
    return scope.emit("Slice", [x, *(scope.constant(np.array([number], np.int64)) for number in numbers)])


def from_torch(call: Call) -> Any:
    """Axes backwards."""
    x = call.value(call["self"])
    for axis in call["dims"]:
        x = call.emit("slice", {"axis": x.order[axis % x.rank], "start": 0, "stop": None, "step": -1}, x)
    return x


FROM_TORCH = {"aten.flip": from_torch}  # slice and select are views of constants, too: capture/_structure.py


def from_keras(call: LayerCall) -> Any:
    """x[...] of keras.ops: slices, numbers, new axes and dots; what a number picks loses its axis."""
    y, key = call.inputs[0], call.operands[1]
    keys = list(key) if isinstance(key, tuple | list) else [key]
    used = sum(one is not None and one is not Ellipsis for one in keys)
    if Ellipsis not in keys:
        keys.append(Ellipsis)
    place = keys.index(Ellipsis)
    keys[place : place + 1] = [slice(None)] * (y.rank - used)
    shape: list[Any] = []
    axis = 0
    for one in keys:
        if one is None:
            shape.append(1)
            continue
        y = _keras_cut(call, y, axis, one)
        if isinstance(one, slice):
            shape.append(y.shape[axis])
        axis += 1
    return y if tuple(shape) == y.shape else call.emit("reshape", {"shape": tuple(shape)}, y)


def _keras_cut(call: LayerCall, x: Any, axis: int, key: Any) -> Any:
    if isinstance(key, int):
        stop = key + 1 if key != -1 else None
        return call.emit("slice", {"axis": axis, "start": key, "stop": stop}, x)
    if not isinstance(key, slice) or any(not isinstance(n, int | None) for n in (key.start, key.stop, key.step)):
        raise call.refuse(f"an index of {key!r}", "Only numbers, slices of numbers, None and ... are known.")
    if key == slice(None) or (key.start in (None, 0), key.stop, key.step) == (True, None, 1):
        return x
    step = key.step or 1
    start = key.start or 0
    if step < 0:
        if (start, key.stop, step) != (0, None, -1):
            raise call.refuse(f"a step of {step}", "Backwards only over a whole axis, by -1.")
        return call.emit("slice", {"axis": axis, "step": -1}, x)
    return call.emit("slice", {"axis": axis, "start": start, "stop": key.stop, "step": step}, x)


def from_cropping(call: LayerCall) -> Any:
    given = call.layer.cropping
    sides = [given] if isinstance(given[0], int) else list(given)
    y = call.inputs[0]
    for axis, (start, end) in enumerate(sides, 1):
        if start or end:
            y = call.emit("slice", {"axis": axis, "start": start, "stop": -end if end else None}, y)
    return y


def from_center_crop(call: LayerCall) -> Any:
    """The middle; a smaller image would be resized by Keras, with float32 in between."""
    y = call.inputs[0]
    for axis, side in enumerate((call.layer.height, call.layer.width), 1):
        size = y.shape[axis]
        if not isinstance(size, int) or size < side:
            raise call.refuse(
                f"images of {size} rows or columns, cropped to {side}", "Give a larger, fixed input size."
            )
        start = (size - side) // 2
        if size > side:
            y = call.emit("slice", {"axis": axis, "start": start, "stop": start + side}, y)
    return y


def from_flip(call: LayerCall) -> Any:
    y = call.inputs[0]
    for axis in keras_axes(call, call.layer.axis):
        y = call.emit("slice", {"axis": axis, "step": -1}, y)
    return y


FROM_KERAS = {
    "layers.Cropping1D": from_cropping,
    "layers.Cropping2D": from_cropping,
    "layers.CenterCrop": from_center_crop,
    "ops.GetItem": from_keras,
    "ops.Flip": from_flip,
}
CASES = {
    "the first token": Case(((2, 5, 4),), Attributes(1, 0, 1)),
    "all but the first and the last": Case(((2, 5, 4),), Attributes(1, 1, -1)),
    "every other row": Case(((2, 6, 5, 3),), Attributes(1, 0, None, 2)),
    "every other column, from the second": Case(((2, 5, 6, 3),), Attributes(2, 1, None, 2)),
    "some channels of an image": Case(((2, 3, 4, 6),), Attributes(-1, 2, 5)),
    "the last ones, by more than there are": Case(((2, 3, 4),), Attributes(2, -3, 99)),
    "columns backwards": Case(((2, 3, 4, 5),), Attributes(2, step=-1)),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"axis": 2, "start": 1, "stop": 2, "step": 3}
GAPS = {"other negative steps": Gap("keras", lambda keras, x: x[:, ::-2], "Backwards only over a whole axis")}
SHOWN = {
    "counts": ("all but the first and the last",),
    "torch": ("columns backwards",),
    "onnx": ("every other row", "columns backwards"),
}
