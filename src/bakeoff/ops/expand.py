"""expand: axes of size 1 repeated, as NumPy broadcasts.

Shape    x  ->  y of shape `shape`; missing axes come in front, axes of size 1 grow; sizes may be symbols, as the batch:
         a second input, whose first axis is the batch, then says what it is

Laws     y + z = x + z wherever z has y's shape; the gradient sums over what was repeated

Traps    torch   a view: nothing is copied until it must be
         keras   knows no batch size while a net is put together: a token is multiplied by ones made from the input
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Dim, Shape, Size, at
from bakeoff.ops._page import Call, Case, Gap, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    shape: Shape


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    def grown(old: Size, new: Size) -> Size:
        if old in (1, new):
            return new
        if isinstance(new, Dim) and isinstance(old, int):  # the symbol's value is known
            return old
        raise UnsupportedError(f"expand: {x} does not broadcast to {a.shape}")

    missing = len(a.shape) - len(x)
    if missing < 0:
        raise UnsupportedError(f"expand: {x} has more axes than {a.shape}")
    return (*a.shape[:missing], *map(grown, x, a.shape[missing:]))


def truth(_: Mode, a: Attributes, x: Array, like: Array | None = None) -> Array:
    if like is None:
        return np.broadcast_to(x, shape(a, x.shape))  # type: ignore[arg-type]
    sizes = {size.symbol(): len(like) for size in a.shape if isinstance(size, Dim)}
    return np.broadcast_to(x, tuple(at(size, **sizes) for size in a.shape))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    missing = len(a.shape) - len(scope.shapes[0])
    lies = scope.orders[0]
    if all(isinstance(size, int) for size in scope.shapes[0]):  # a small table: moved before it grows
        lies = tuple(range(len(lies)))
        x = scope.arranged(0, lies)
    order = (*range(missing), *(axis + missing for axis in lies))
    given = (*(1,) * missing, *scope.shapes[0])
    before, after = tuple(given[axis] for axis in order), tuple(a.shape[axis] for axis in order)
    if missing:
        x = scope.reshape(x, before[missing:], before)
    return scope.laid(scope.expand(x, before, after), order)


to_keras = to_onnx = to_torch


def from_torch(call: Call) -> Any:
    x = call.value(call["self"])
    return x if x.sizes == call.sizes else call.expanded(x, call.sizes)


FROM_TORCH = dict.fromkeys(("aten.expand", "aten.expand_as", "aten.broadcast_to"), from_torch)


def from_keras(call: LayerCall) -> Any:
    target = tuple(call.layer.shape)
    x = call.inputs[0]
    lead = len(target) - x.rank
    if lead or any(size is not None and not isinstance(size, int) for size in target):
        raise call.refuse(f"a target of {target}", "Give as many sizes as the value has axes, None for the batch.")
    shape = tuple(own if size in (None, -1) else size for own, size in zip(x.shape, target, strict=True))
    return call.emit("expand", {"shape": shape}, x)


FROM_KERAS = {"ops.BroadcastTo": from_keras}
CASES = {
    "columns": Case(((2, 3, 1, 4),), Attributes((Dim("batch"), 3, 5, 4))),
    "two axes": Case(((2, 1, 3, 1),), Attributes((Dim("batch"), 2, 3, 3))),
    "nothing": Case(((2, 3),), Attributes((Dim("batch"), 3))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied, or multiplied by 1
MUTATIONS: dict[str, Any] = {"shape": (Dim("batch"), 3, 1, 4)}
SHIFTED = Case(((2, 1, 1, 4), (2, 5, 6, 4)), Attributes((Dim("batch"), Dim("height") + 1, Dim("width"), 4)))
GAPS = {"to a size that is no multiple of an input's": Gap("keras", SHIFTED, "no multiple of", free=True)}
SHOWN = {"torch": ("columns",), "keras": ("two axes",)}
