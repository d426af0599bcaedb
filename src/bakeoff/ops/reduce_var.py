"""reduce_var: the variance over axes.

Shape    x, axes, keepdims  ->  y without these axes, or with 1 in their place
         y = sum (x - mean)^2 / (n - correction), n numbers that become one

Laws     reduce_var(x + c) = reduce_var(x); reduce_var(a x) = a^2 reduce_var(x)

Traps    torch   divides by n - 1 unless told (correction=1); Keras's ops.var and NumPy divide by n
         onnx    has no node for it: means of squares of what is left after the mean, never E[x^2] - E[x]^2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._importers import reductions
from bakeoff.ops._page import Call, Case, Mode, Scope, roundings
from bakeoff.ops._reduction import Attributes as Reduction
from bakeoff.ops._reduction import elements, keras_reduced, laid, onnx_axes, physical, reduces
from bakeoff.schemas import Array

LAYOUT = "any"
shape = reduces("reduce_var")


@dataclass(frozen=True)
class Attributes(Reduction):
    """`correction` is taken off the number of elements."""

    correction: int = 1


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    centred = x - x.mean(axis=a.axes, keepdims=True)
    n = elements(a.axes, x.shape, "reduce_var")
    return np.asarray((centred * centred).sum(axis=a.axes, keepdims=a.keepdims) / (n - a.correction))


def _share(scope: Scope, a: Attributes) -> float:
    """From the biased variance to this one: n / (n - correction)."""
    n = elements(a.axes, scope.shapes[0], "reduce_var")
    return n / (n - a.correction)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axes = physical(scope, a.axes)
    return laid(scope, a.axes, a.keepdims, scope.lib.var(x, dim=axes, correction=a.correction, keepdim=a.keepdims))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    ops, axes = scope.lib.ops, physical(scope, a.axes)
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    y = ops.mean(ops.square(centred), axis=axes, keepdims=a.keepdims)
    return laid(scope, a.axes, a.keepdims, y if not a.correction else y * _share(scope, a))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axes = onnx_axes(scope, a.axes)
    centred = scope.emit("Sub", [x, scope.emit("ReduceMean", [x, axes], keepdims=1)])
    y = scope.emit("ReduceMean", [scope.emit("Mul", [centred, centred]), axes], keepdims=int(a.keepdims))
    if a.correction:
        y = scope.emit("Mul", [y, scope.constant(np.asarray(_share(scope, a), scope.dtype))])
    return laid(scope, a.axes, a.keepdims, y)


def from_torch(call: Call) -> Any:
    x = call.value(call["self"])
    keepdims = bool(call.get("keepdim"))
    axes, order = reductions(x, call.get("dim"), keepdims)
    given = call.get("correction", 1) if "correction" in call.overload else int(bool(call.get("unbiased", True)))
    correction = 1 if given is None else int(call.number(given) or 0)
    y = call.emit("reduce_var", {"axes": axes, "keepdims": keepdims, "correction": correction}, x, order=order)
    y = _root(call, y) if "std" in call.name else y
    if not call.name.endswith("_mean"):
        return y
    return y, call.emit("reduce_mean", {"axes": axes, "keepdims": keepdims}, x, order=order)


def _root(call: Call, variance: Any) -> Any:
    """Of equal numbers the slope is 0 in torch; a root's is infinite there."""

    def positive(value: Any, other: float) -> Any:
        given = call.aligned(variance, value, call.filled(other))
        return call.emit("where", {"above": 0.0}, *given, order=variance.order)

    return positive(call.emit("sqrt", {}, positive(variance, 1.0)), 0.0)


FROM_TORCH = {f"aten.{name}": from_torch for name in ("var", "std", "var_mean", "std_mean")}
FROM_KERAS = keras_reduced("reduce_var", "ops.Var", correction=0)
CASES = {
    "height and width": Case(((2, 3, 4, 5),), Attributes((1, 2))),
    "height and width, biased": Case(((2, 3, 4, 5),), Attributes((1, 2), True, 0)),
    "channels": Case(((2, 3, 4, 5),), Attributes((-1,), True)),
    "tokens": Case(((2, 5, 3),), Attributes((1,))),
}
TOLERANCE = roundings(24)  # a difference, then a sum of squares
MUTATIONS: dict[str, Any] = {"axes": (2,), "keepdims": True, "correction": 2}
SHOWN = {"torch": ("height and width", "height and width, biased"), "onnx": ("channels",)}
