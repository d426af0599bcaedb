"""div: the quotient of two values, cell by cell.

Shape    x1, x2 (as NumPy broadcasts)  ->  y = x1 / x2

Laws     div(x, x) = 1; div(x, 1) = x

Traps    torch   with a rounding_mode it is floor_divide: that has no gradient, and no page
         xla     may multiply by the reciprocal in float32: 1 ulp
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.ops._broadcast import broadcast
from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, Mode, Scope, rounding
from bakeoff.schemas import Array

LAYOUT = "elementwise"


@dataclass(frozen=True)
class Attributes:
    pass


def shape(a: Attributes, *shapes: Shape) -> Shape:
    return broadcast(shapes, "div")


def truth(_: Mode, a: Attributes, x: Array, other: Array) -> Array:
    y: Array = x / other
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, other: Any) -> Any:
    return x / other


def to_keras(scope: Scope, a: Attributes, x: Any, other: Any) -> Any:
    return scope.lib.ops.divide(x, other)


def to_onnx(scope: Scope, a: Attributes, x: Any, other: Any) -> Any:
    return scope.emit("Div", [x, other])


FROM_TORCH: dict[str, Any] = {}
FROM_KERAS: dict[str, Any] = {}
CASES = {
    "pictures": Case(((2, 3, 4, 5), (2, 3, 4, 5)), Attributes(), positive=True),
    "a channel's number for each picture": Case(((2, 3, 4, 5), (2, 1, 1, 5)), Attributes(), positive=True),
    "the smaller one first": Case(((2, 1, 1, 5), (2, 3, 4, 5)), Attributes(), positive=True),
    "vectors": Case(((3, 7), (3, 7)), Attributes(), positive=True),
}
TOLERANCE = {dtype: rounding(1, dtype) for dtype in ("float32", "float64")}  # one quotient
MUTATIONS: dict[str, Any] = {}
GAPS: dict[str, str] = {}
SHOWN = {"torch": ("pictures",), "xla": ("vectors",)}
