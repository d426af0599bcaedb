"""take: places of an axis picked by a constant table, in any order and as often as it says.

Shape    x, indices (any, int64)  ->  y; the axis is replaced by the axes of the table

Laws     the table 0, 1, 2, ... gives x; the gradient of a place is the sum over all that picked it

Traps    tf      the gradient of a picked weight is sparse (IndexedSlices): a reshape before it makes it dense
         keras   the table is a weight that is not trained, so that a file doesn't list it as text
         torch   negative places count from the end: the table has none
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Case, Mode, Scope, Slot
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """`size` is the shape of the table."""

    axis: int
    size: tuple[int, ...]


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    axis = a.axis % len(x)
    return (*x[:axis], *a.size, *x[axis + 1 :])


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    return {"indices": Slot(a.size, "constant", fixed(x[a.axis % len(x)], "take: the axis that is picked from"))}


def truth(_: Mode, a: Attributes, x: Array, *, indices: Array) -> Array:
    return np.take(x, indices, a.axis)


def _order(scope: Scope, a: Attributes) -> tuple[int, ...]:
    axis, more = a.axis % len(scope.shapes[0]), len(a.size) - 1
    order: list[int] = []
    for old in scope.orders[0]:
        order += range(axis, axis + len(a.size)) if old == axis else [old + more * (old > axis)]
    return tuple(order)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    places = (slice(None),) * scope.axis(a.axis) + (scope.parameter("indices"),)
    return scope.laid(x[places], _order(scope, a))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if all(isinstance(size, int) for size in scope.shapes[0]):
        x = scope.lib.ops.reshape(x, tuple(scope.shapes[0][axis] for axis in scope.orders[0]))
    y = scope.lib.ops.take(x, scope.parameter("indices"), axis=scope.axis(a.axis))
    return scope.laid(y, _order(scope, a))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    y = scope.emit("Gather", [x, scope.parameter("indices")], axis=scope.axis(a.axis))
    return scope.laid(y, _order(scope, a))


FROM_TORCH: dict[str, Any] = {}
FROM_KERAS: dict[str, Any] = {}
CASES = {
    "a table of pairs": Case(((2, 7, 3),), Attributes(1, (4, 4))),
    "channels of a picture": Case(((2, 3, 4, 5),), Attributes(3, (6,))),
    "rows of a picture": Case(((2, 3, 4, 5),), Attributes(1, (2, 2))),
    "one place": Case(((2, 5, 3),), Attributes(1, ())),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"axis": 2}
GAPS = {"a table that is computed": "not yet: capture refuses it"}
SHOWN = {"tf": ("a table of pairs",), "keras": ("a table of pairs",), "torch": ("a table of pairs",)}
