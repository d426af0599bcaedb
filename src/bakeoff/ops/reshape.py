"""reshape: the same numbers, in the order in which the last axis runs fastest, under another shape.

Shape    x  ->  y of shape `shape`, which holds as many cells; sizes may be symbols, as the batch or a multiple of it

Laws     reshaping back gives x; axes that are neither joined nor split don't matter

Traps    order   axes are joined in canonical order, channels last. Where they lie in another one, the builder moves
                 them: one transpose, and none if the axes of each joined group lie side by side
         keras   Reshape leaves the batch out of its shape, and can't make windows out of batches: ops.reshape can
         onnx    one size may stay open (-1)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Dim, Shape
from bakeoff.ops._page import Case, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """`shape` has numbers and symbols; no -1."""

    shape: Shape


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    cells = [size for size in x if isinstance(size, int)]
    free = [size for size in a.shape if isinstance(size, Dim)]
    if len(cells) < len(x):
        return a.shape
    known = prod(size for size in a.shape if isinstance(size, int))
    if len(free) > 1 or (prod(cells) % known if free else prod(cells) != known):
        raise UnsupportedError(f"reshape: {x} and {a.shape} hold different numbers of cells")
    return tuple(prod(cells) // known if isinstance(size, Dim) else size for size in a.shape)


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return x.reshape(shape(a, x.shape))  # type: ignore[arg-type]


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.reshaped(a.shape)


to_keras = to_onnx = to_torch

FROM_TORCH: dict[str, Any] = {}
FROM_KERAS: dict[str, Any] = {}
BATCH = Dim("batch")
CASES = {
    "tokens of a picture": Case(((2, 3, 4, 5),), Attributes((BATCH, 12, 5))),
    "heads of features": Case(((2, 3, 12),), Attributes((BATCH, 3, 3, 4))),
    "everything": Case(((2, 3, 4, 5),), Attributes((BATCH, 60))),
    "windows become batches": Case(((2, 4, 5, 3),), Attributes((4 * BATCH, 5, 3))),
    "batches become windows": Case(((4, 5, 3),), Attributes((BATCH, 15, 1))),
    "rows and columns are parted": Case(((2, 4, 6, 3),), Attributes((BATCH, 2, 2, 3, 2, 3))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}
MUTATIONS: dict[str, Any] = {"shape": (BATCH, 5, 12)}
GAPS = {"more than one size that is known only when the net runs": "not yet: raises UnsupportedError in Keras, ONNX"}
SHOWN = {"order": ("tokens of a picture",), "keras": ("windows become batches",), "onnx": ("heads of features",)}
