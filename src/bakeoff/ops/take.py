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
from bakeoff.ops._page import Call, Case, Gap, LayerCall, Mode, Scope, Slot
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


def from_index(call: Call) -> Any:
    """x[tables]: constant tables next to each other, which broadcast; several become one over a merged axis.

    x[arange(batch), table] takes of each image what the table says.
    """
    x, given = call.value(call["self"]), call["indices"]
    if call.is_each_image(given[0]) and all(getattr(call.array(table), "size", 0) == 1 for table in given[1:]):
        return call.reshaped(_taken(call, x, [None, *given[1:]]), call.sizes) if len(given) > 1 else x
    return _taken(call, x, given)


def _taken(call: Call, x: Any, given: Any) -> Any:
    used = [axis for axis, table in enumerate(given) if table is not None]
    tables = [call.array(given[axis]) for axis in used]
    if any(table is None for table in tables):
        raise call.refuse("an index that is computed")
    tables = [np.nonzero(table)[0] if table.dtype == bool and table.ndim == 1 else table for table in tables]
    if used != list(range(used[0], used[-1] + 1)) or any(table.dtype == bool for table in tables):
        raise call.refuse("tables over axes that are apart, or a mask of several axes")
    sizes = x.sizes[used[0] : used[-1] + 1]
    tables = [np.where(table < 0, table + size, table) for table, size in zip(tables, sizes, strict=True)]
    if any(((table < 0) | (table >= size)).any() for table, size in zip(tables, sizes, strict=True)):
        raise call.refuse(f"an index outside of {tuple(sizes)}")  # a size that the net is not made for
    flat = np.ravel_multi_index(tuple(np.broadcast_arrays(*tables)), sizes)
    merged = (*x.sizes[: used[0]], int(np.prod(sizes)), *x.sizes[used[-1] + 1 :])
    return call.taken(call.reshaped(x, merged), used[0], flat)


def from_select(call: Call) -> Any:
    x, table = call.value(call["self"]), call.array(call["index"])
    if table is None:
        raise call.refuse("an index that is computed")
    return call.taken(x, call["dim"] % x.rank, table.reshape(-1))


def from_embedding(call: Call) -> Any:
    table = call.array(call["indices"])
    if table is None:
        raise call.refuse("an index that is computed")
    return call.taken(call.value(call["weight"]), 0, table)


def from_windows(call: Call) -> Any:
    """Tensor.unfold: overlapping pieces of an axis, each along a new last one."""
    x = call.value(call["self"])
    axis, size = call["dimension"] % x.rank, call["size"]
    starts = np.arange(0, x.sizes[axis] - size + 1, call["step"])
    pieces = call.taken(x, axis, starts[:, None] + np.arange(size))
    return call.moved(pieces, (*(place for place in range(pieces.rank) if place != axis + 1), axis + 1))


FROM_TORCH = {
    "aten.index": from_index,
    "aten.index_select": from_select,
    "aten.embedding": from_embedding,
    "aten.unfold": from_windows,
}


def from_keras(call: LayerCall) -> Any:
    indices = call.array(call.operands[1])
    if indices is None or call.layer.axis is None:
        raise call.refuse("places that are computed, or no axis", "Give the places as constant numbers, and an axis.")
    axis = call.layer.axis % call.inputs[0].rank
    size = fixed(call.inputs[0].shape[axis], "take: the axis that is picked from")
    table = np.where(indices < 0, indices + size, indices).astype(np.int64)
    attributes = {"axis": axis, "size": tuple(table.shape)}
    return call.emit("take", attributes, call.inputs[0], parameters={"indices": table})


FROM_KERAS = {"ops.Take": from_keras}
CASES = {
    "a table of pairs": Case(((2, 7, 3),), Attributes(1, (4, 4))),
    "channels of an image": Case(((2, 3, 4, 5),), Attributes(3, (6,))),
    "rows of an image": Case(((2, 3, 4, 5),), Attributes(1, (2, 2))),
    "one place": Case(((2, 5, 3),), Attributes(1, ())),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"axis": 2}
GAPS = {
    "a table that is computed": Gap("torch", lambda torch, x: torch.ones(9, 4)[x[:, 0, 0].long()], "that is computed"),
    "places that are computed": Gap("keras", lambda keras, x: keras.ops.take(x, x[:, 0, 0, 0], 1), "that are computed"),
}
SHOWN = {"tf": ("a table of pairs",), "keras": ("a table of pairs",), "torch": ("a table of pairs",)}
