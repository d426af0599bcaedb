"""where: one value where a condition holds, another elsewhere.

Shape    condition, x, y (as NumPy broadcasts)  ->  z = x where the condition holds, else y

Laws     the gradient flows to x where it holds, to y elsewhere, and never to the condition

Traps    ties     a number that is the bound is not above it
         kind     a condition is a truth value; with `above`, it is a number, and holds where that is larger
         float64  a number that Keras compares with passes through float32: the difference is compared with 0
         nan      0 * inf is no number: where doesn't multiply, and hides an infinity in the value that isn't taken
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._elementwise import broadcasts
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

shape = broadcasts("where")


@dataclass(frozen=True)
class Attributes:
    """`above` turns a number into a condition; None: it is a truth value."""

    above: float | None = None


def truth(_: Mode, a: Attributes, condition: Array, x: Array, y: Array) -> Array:
    return np.where(condition if a.above is None else condition > a.above, x, y)


def gradient(a: Attributes, dy: Array, condition: Array, x: Array, y: Array) -> tuple[Array, ...]:
    holds = condition > (a.above or 0.0)
    return np.zeros_like(condition), dy * holds, dy * ~holds


def to_torch(scope: Scope, a: Attributes, condition: Any, x: Any, y: Any) -> Any:
    return scope.lib.where(condition if a.above is None else condition > a.above, x, y)


def to_keras(scope: Scope, a: Attributes, condition: Any, x: Any, y: Any) -> Any:
    ops = scope.lib.ops
    return ops.where(condition if a.above is None else condition - a.above > 0, x, y)


def to_onnx(scope: Scope, a: Attributes, condition: Any, x: Any, y: Any) -> Any:
    if a.above is not None:
        condition = scope.emit("Greater", [condition, scope.constant(np.asarray(a.above, scope.dtype))])
    return scope.emit("Where", [condition, x, y])


def from_torch(call: Call) -> Any:
    return call.chosen(call["condition"], call.filled(call["self"]), call.filled(call["other"]))


def from_fill(call: Call) -> Any:
    return call.chosen(call["mask"], call.filled(call["value"]), call["self"])


FROM_TORCH = {"aten.where": from_torch, "aten.masked_fill": from_fill}


def from_comparison(call: LayerCall) -> Any:
    """x > y and its kin as 1 and 0, which a cast leaves alone."""
    kind = type(call.layer).__name__
    x, y = map(call.value, call.operands[:2])
    one, zero = (call.value(np.asarray(number, call.lib.config.floatx())) for number in (1.0, 0.0))
    way = call.emit("sub", {}, x, y) if kind in ("Greater", "LessEqual") else call.emit("sub", {}, y, x)
    return call.emit("where", {"above": 0.0}, way, *((zero, one) if kind.endswith("Equal") else (one, zero)))


def from_keras(call: LayerCall) -> Any:
    """keras.ops.where, of a comparison or of a constant table."""
    condition, x, y = call.operands
    table = call.array(condition)
    return call.emit("where", {"above": 0.5 if table is None else None}, *map(call.value, (condition, x, y)))


FROM_KERAS = {
    **{f"ops.{name}": from_comparison for name in ("Greater", "GreaterEqual", "Less", "LessEqual")},
    "ops.Where": from_keras,
}
CASES = {
    "places of an image": Case(((2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5)), Attributes(0.0)),
    "numbers at the bound": Case(((3, 40),) * 3, Attributes(1.0), ties=True),
    "a row of conditions": Case(((2, 1, 4), (2, 3, 4), (2, 3, 1)), Attributes(0.3)),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"above": 0.5}
SHOWN = {
    "ties": ("numbers at the bound",),
    "kind": ("places of an image",),
    "float64": ("a row of conditions",),
    "nan": ("a row of conditions",),
}
