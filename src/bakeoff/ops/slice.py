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
from bakeoff.ops._page import Case, Mode, Scope
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


FROM_TORCH: dict[str, Any] = {}
FROM_KERAS: dict[str, Any] = {}
CASES = {
    "the first token": Case(((2, 5, 4),), Attributes(1, 0, 1)),
    "all but the first and the last": Case(((2, 5, 4),), Attributes(1, 1, -1)),
    "every other row": Case(((2, 6, 5, 3),), Attributes(1, 0, None, 2)),
    "every other column, from the second": Case(((2, 5, 6, 3),), Attributes(2, 1, None, 2)),
    "some channels of a picture": Case(((2, 3, 4, 6),), Attributes(-1, 2, 5)),
    "the last ones, by more than there are": Case(((2, 3, 4),), Attributes(2, -3, 99)),
    "columns backwards": Case(((2, 3, 4, 5),), Attributes(2, step=-1)),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"axis": 2, "start": 1, "stop": 2, "step": 3}
GAPS = {"other negative steps": "not yet: raises UnsupportedError"}
SHOWN = {
    "counts": ("all but the first and the last",),
    "torch": ("columns backwards",),
    "onnx": ("every other row", "columns backwards"),
}
