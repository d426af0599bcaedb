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
from bakeoff.ops._page import Case, Mode, Scope
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


FROM_TORCH: dict[str, Any] = {}
FROM_KERAS: dict[str, Any] = {}
CASES = {
    "rows and channels": Case(((2, 3, 4, 5),), Attributes((1, 2, 1, 3))),
    "tokens": Case(((2, 3, 3),), Attributes((1, 2, 1))),
    "the batch": Case(((2, 3),), Attributes((2, 1))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"counts": (1, 1, 2)}
GAPS: dict[str, str] = {}
SHOWN = {"names": ("tokens",)}
