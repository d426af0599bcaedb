"""pow: x to the power of a number, or of another value.

Shape    x [, exponents (as NumPy broadcasts)]  ->  y = x^exponent, the attribute or the second input

Laws     x^1 = x; x^2 = x x; for x > 0 x^(a + b) = x^a x^b

Traps    range   an exponent that is not whole needs x >= 0, else NaN in all libraries; the slope of x^e at 0 is
                 infinite for e < 1
         torch   x ** 2 and x ** 0.5 are taken as a product and a root, which round better than a power: so do these
         float64 a Python number that Keras casts passes through float32 on TensorFlow; the operand of a power doesn't
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._elementwise import broadcast
from bakeoff.ops._importers import affine
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope, roundings
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Attributes:
    """An `exponent` of None: it is the second input."""

    exponent: float | None = 2.0


def shape(a: Attributes, *shapes: Shape) -> Shape:
    if len(shapes) != (2 if a.exponent is None else 1):
        raise UnsupportedError(f"pow: {len(shapes)} inputs with the exponent {a.exponent}; give the one or the other")
    return broadcast(shapes, "pow")


def truth(_: Mode, a: Attributes, x: Array, *others: Array) -> Array:
    return np.asarray(np.power(x, others[0] if a.exponent is None else np.asarray(a.exponent, x.dtype)))


def to_torch(scope: Scope, a: Attributes, x: Any, *others: Any) -> Any:
    return scope.lib.pow(x, others[0] if a.exponent is None else a.exponent)


def to_keras(scope: Scope, a: Attributes, x: Any, *others: Any) -> Any:
    ops = scope.lib.ops
    named = {2.0: ops.square, 0.5: ops.sqrt, -0.5: ops.rsqrt, -1.0: ops.reciprocal}
    if a.exponent in named:
        return named[a.exponent](x)
    return ops.power(x, others[0] if a.exponent is None else a.exponent)


def to_onnx(scope: Scope, a: Attributes, x: Any, *others: Any) -> Any:
    exponent = others[0] if a.exponent is None else scope.constant(np.asarray(a.exponent, scope.dtype))
    return scope.emit("Pow", [x, exponent])


def _rank(x: Any) -> int:
    return int(x.rank)


def from_torch(call: Call) -> Any:
    x, exponent = call["self"], call.number(call["exponent"])
    base = call.number(x)
    if base is not None and base <= 0:
        raise call.refuse(f"{base} to the power of a value")
    if base is not None:
        return call.emit("exp", {}, affine(call, call["exponent"], scale=log(base)))
    if exponent is None:
        first, second = call.aligned(x, call["exponent"])
        return call.emit("pow", {"exponent": None}, first, second, order=max((first, second), key=_rank).order)
    named = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}.get(float(exponent))
    if exponent == 1:
        return x
    return call.emit(named, {}, x) if named else call.emit("pow", {"exponent": float(exponent)}, x)


FROM_TORCH = {"aten.pow": from_torch}


def from_keras(call: LayerCall) -> Any:
    left, right = call.operands
    exponent = call.number(right)
    if exponent is not None:
        return call.emit("pow", {"exponent": exponent}, call.value(left))
    return call.emit("pow", {"exponent": None}, call.value(left), call.value(right))


FROM_KERAS = {"ops.Power": from_keras}
CASES = {
    "squares of images": Case(((2, 3, 4, 5),), Attributes()),
    "cubes": Case(((3, 7),), Attributes(3.0)),
    "a root": Case(((3, 7),), Attributes(0.5), positive=True),
    "a power that is not whole": Case(((3, 7),), Attributes(-1.7), positive=True),
    "of another value": Case(((2, 3, 4, 5), (2, 1, 1, 5)), Attributes(None), positive=True),
}
TOLERANCE = roundings(36)  # exp(e ln x): the rounding of e ln x, which the cases keep below 6, is magnified by that
MUTATIONS: dict[str, Any] = {"exponent": 1.5}
SHOWN = {
    "range": ("a power that is not whole",),
    "torch": ("squares of images", "a root"),
    "float64": ("a power that is not whole",),
}
