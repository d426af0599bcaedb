"""repeat: the whole value side by side with itself along axes (numpy.tile).

Shape    x  ->  y; the size of axis i is `counts[i]` times x's

Laws     counts of 1 change nothing; the gradient sums over the copies

Traps    names   numpy.repeat and torch.repeat_interleave copy each place, not the whole: see repeat_interleave
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """One count for each axis."""

    counts: tuple[int, ...]


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    if len(a.counts) != len(x) or min(a.counts, default=1) < 1:
        raise UnsupportedError(f"repeat: counts {a.counts} for {x}; expected one of at least 1 for each axis")
    return tuple(size * count for size, count in zip(x, a.counts, strict=True))


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.tile(x, a.counts)


def _counts(scope: Scope, a: Attributes) -> tuple[int, ...]:
    return tuple(a.counts[axis] for axis in scope.orders[0])


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return x.repeat(*_counts(scope, a))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.ops.tile(x, _counts(scope, a))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Tile", [x, scope.constant(np.array(_counts(scope, a), np.int64))])


def from_torch(call: Call) -> Any:
    x, counts = call.value(call["self"]), list(call.get("repeats", call.get("dims")))
    counts = [1] * (x.rank - len(counts)) + counts
    if len(counts) > x.rank:
        x = call.reshaped(x, (1,) * (len(counts) - x.rank) + x.sizes)
    ratios = [new // old for new, old in zip(call.sizes, x.sizes, strict=True)]
    if all(count == 1 for count in ratios):
        return x
    if all(size == 1 for size, count in zip(x.sizes, ratios, strict=True) if count != 1):
        return call.expanded(x, call.sizes)
    by_place = sorted(range(x.rank), key=x.order.__getitem__)
    return call.emit("repeat", {"counts": tuple(ratios[axis] for axis in by_place)}, x)


FROM_TORCH = {"aten.repeat": from_torch, "aten.tile": from_torch}


def from_keras(call: LayerCall) -> Any:
    x, given = call.inputs[0], call.layer.repeats
    counts = (given,) if isinstance(given, int) else tuple(given)
    if len(counts) > x.rank:
        raise call.refuse(f"repeats={given}", "Give at most one count for each axis.")
    return call.emit("repeat", {"counts": (1,) * (x.rank - len(counts)) + counts}, x)


FROM_KERAS = {"ops.Tile": from_keras}
CASES = {
    "rows and channels": Case(((2, 3, 4, 5),), Attributes((1, 2, 1, 3))),
    "tokens": Case(((2, 3, 3),), Attributes((1, 2, 1))),
    "the batch": Case(((2, 3),), Attributes((2, 1))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"counts": (1, 1, 2)}
SHOWN = {"names": ("tokens",)}
