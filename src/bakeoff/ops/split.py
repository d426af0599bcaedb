"""split: one value cut into several along an axis.

Shape    x  ->  y1, y2, ...; the sizes of their `axis` are `sizes`, which sum to x's

Laws     concat puts them together again

Traps    torch   split takes the sizes of the parts; a chunk's last part may be smaller, and there may be fewer of them
         keras   split takes the places of the cuts, or a number of equal parts
Raised   from torch by views, an order of axes as often as a node: frameworks/torch/capture/_structure.py
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Case, Gap, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """`sizes` of the parts along `axis`, which counts canonically."""

    sizes: tuple[int, ...]
    axis: int = -1

    @property
    def cuts(self) -> list[int]:
        """Where the parts begin, but for the first."""
        return list(accumulate(self.sizes))[:-1]


def shape(a: Attributes, x: Shape, *_: Shape) -> tuple[Shape, ...]:
    axis = a.axis % len(x)
    if sum(a.sizes) != x[axis]:
        raise UnsupportedError(f"split: parts of {a.sizes} don't make up axis {axis} of {x}")
    return tuple((*x[:axis], size, *x[axis + 1 :]) for size in a.sizes)


def truth(_: Mode, a: Attributes, x: Array) -> tuple[Array, ...]:
    return tuple(np.split(x, a.cuts, a.axis))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    parts = x.split(a.sizes, dim=scope.axis(a.axis))
    return tuple(parts[index] for index in range(len(a.sizes)))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if len(a.sizes) == 1:
        return (x,)
    equal = len(set(a.sizes)) == 1
    return tuple(scope.lib.ops.split(x, len(a.sizes) if equal else a.cuts, axis=scope.axis(a.axis)))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    sizes = scope.constant(np.array(a.sizes, np.int64))
    return scope.emit_many("Split", [x, sizes], len(a.sizes), axis=scope.axis(a.axis))


def from_keras(call: LayerCall) -> Any:
    x, given = call.inputs[0], call.layer.indices_or_sections
    axis = call.layer.axis % x.rank
    size = fixed(x.shape[axis], "split: the axis that is cut")
    if isinstance(given, int):
        sizes = (size // given,) * given
    else:
        cuts = [0, *(int(cut) for cut in given), size]
        sizes = tuple(end - start for start, end in pairwise(cuts))
    found = call.emit("split", {"sizes": sizes, "axis": axis}, x)
    return found if isinstance(found, tuple) else (found,)


def from_unstack(call: LayerCall) -> Any:
    x = call.inputs[0]
    axis = call.layer.axis % x.rank
    count = fixed(x.shape[axis], "split: the axis that is unstacked")
    parts = call.emit("split", {"sizes": (1,) * count, "axis": axis}, x)
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return tuple(call.emit("reshape", {"shape": shape}, part) for part in parts)


FROM_KERAS = {"ops.Split": from_keras, "ops.Unstack": from_unstack}
CASES = {
    "queries, keys and values": Case(((2, 3, 12),), Attributes((4, 4, 4))),
    "uneven channels of an image": Case(((2, 3, 6, 6),), Attributes((1, 3, 2))),
    "a class token and the rest": Case(((2, 5, 4),), Attributes((1, 4), 1)),
    "one part": Case(((2, 3),), Attributes((3,))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"sizes": (2, 3, 1), "axis": 2}
GAPS = {
    "parts of a size that is known only when the net runs": Gap(
        "keras", lambda keras, x: keras.ops.split(x, 2, 1)[0], free=True
    )
}
SHOWN = {"torch": ("uneven channels of an image",), "keras": ("uneven channels of an image",)}
