"""reduce_norm: the length of x over axes, in the p-norm.

Shape    x, axes, keepdims  ->  y without these axes, or with 1 in their place
         y = (sum |x|^p)^(1 / p); p infinite: the largest |x|

Laws     reduce_norm(a x) = |a| reduce_norm(x); >= 0

Traps    slope   a root's slope at 0 is infinite, so a channel of zeros (dead after relu) gives NaN in a root of a sum,
                 and in keras.ops.norm; torch says 0. In Keras the root is taken of 1 there, and the answer put to 0
         ties    the largest |x| shares the gradient out, as the libraries do; at 0 each element's slope is 0, torch's
         torch   `norm` of a whole array and `vector_norm` over axes are the same; `nuc` and "fro" are of matrices
         onnx    ReduceL1 and ReduceL2; other p are written out
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._importers import reductions, torch_merged
from bakeoff.ops._norm import keras_norm
from bakeoff.ops._page import Call, Case, Mode, Scope, roundings
from bakeoff.ops._reduction import Attributes as Reduction
from bakeoff.ops._reduction import laid, onnx_axes, physical, reduces
from bakeoff.schemas import Array

LAYOUT = "any"
shape = reduces("reduce_norm")


@dataclass(frozen=True)
class Attributes(Reduction):
    """`p` may be infinite."""

    p: float = 2.0

    def __post_init__(self) -> None:
        if not self.p > 0:
            raise UnsupportedError(f"reduce_norm: p {self.p} is not a norm; p above 0, or infinite")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    size = np.abs(x)
    if a.p == np.inf:
        return np.asarray(size.max(axis=a.axes, keepdims=a.keepdims))
    total = (size ** np.asarray(a.p, x.dtype)).sum(axis=a.axes, keepdims=a.keepdims)
    return np.asarray(total ** np.asarray(1 / a.p, x.dtype))


def gradient(a: Attributes, dy: Array, x: Array) -> tuple[Array, ...]:
    y = truth(Mode(), replace(a, keepdims=True), x)
    dy = dy if a.keepdims else np.expand_dims(dy, a.axes)
    if a.p == np.inf:
        wins = np.abs(x) == y
        return ((dy * np.sign(x) * wins / wins.sum(a.axes, keepdims=True)).astype(x.dtype),)
    slope = np.power(np.where(x == 0, 1, np.abs(x)) / np.where(y == 0, 1, y), a.p - 1)
    return ((dy * np.sign(x) * slope).astype(x.dtype),)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axes = physical(scope, a.axes)
    return laid(scope, a.axes, a.keepdims, scope.lib.linalg.vector_norm(x, a.p, dim=axes, keepdim=a.keepdims))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return laid(scope, a.axes, a.keepdims, keras_norm(scope.lib.ops, x, a.p, physical(scope, a.axes), a.keepdims))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axes, keepdims = onnx_axes(scope, a.axes), int(a.keepdims)
    named = {1.0: "ReduceL1", 2.0: "ReduceL2"}
    if a.p in named:
        return laid(scope, a.axes, a.keepdims, scope.emit(named[a.p], [x, axes], keepdims=keepdims))
    size = scope.emit("Abs", [x])
    if a.p == np.inf:
        return laid(scope, a.axes, a.keepdims, scope.emit("ReduceMax", [size, axes], keepdims=keepdims))
    power, root = (scope.constant(np.asarray(number, scope.dtype)) for number in (a.p, 1 / a.p))
    total = scope.emit("ReduceSum", [scope.emit("Pow", [size, power]), axes], keepdims=keepdims)
    return laid(scope, a.axes, a.keepdims, scope.emit("Pow", [total, root]))


def from_torch(call: Call) -> Any:
    x = call.value(call["self"])
    keepdims, p = bool(call.get("keepdim")), call.number(call.get("ord", call.get("p", 2)))
    return _emitted(call, x, call.get("dim"), keepdims, 2.0 if p is None else float(p))


def _emitted(call: Call, x: Any, dim: Any, keepdims: bool, p: float = 2.0) -> Any:
    axes, order = reductions(x, dim, keepdims)
    return call.emit("reduce_norm", {"axes": axes, "keepdims": keepdims, "p": p}, x, order=order)


def from_matrix(call: Call) -> Any:
    """The Frobenius norm, or that of a vector."""
    x, axes, kind = call.value(call["self"]), call["dim"], call["ord"]
    axes = [axes] if isinstance(axes, int) else axes
    if kind is not None and (isinstance(kind, str) or (axes is None and x.rank > 1) or (axes and len(axes) > 1)):
        raise call.refuse(f"the matrix norm {kind!r}")
    return _emitted(call, x, axes, bool(call["keepdim"]), 2.0 if kind is None else float(kind))


def from_weight_norm(call: Call) -> Any:
    """g v / |v|, the norm over all axes but one."""
    v = call.value(call["v"])
    norm = _emitted(call, v, [axis for axis in range(v.rank) if axis != call["dim"] % v.rank], True)
    return torch_merged(call, "mul", v, torch_merged(call, "div", call["g"], norm))


FROM_TORCH = {
    **dict.fromkeys(("aten.norm", "aten.linalg_vector_norm"), from_torch),
    "aten.linalg_norm": from_matrix,
    "aten._weight_norm": from_weight_norm,
}
CASES = {
    "height and width, which stay as 1": Case(((2, 3, 4, 5),), Attributes((1, 2), True)),
    "channels": Case(((2, 3, 4, 5),), Attributes((-1,))),
    "sizes": Case(((2, 5, 3),), Attributes((1,), p=1.0)),
    "the largest": Case(((2, 5, 3),), Attributes((1,), p=float("inf"))),
    "p 3": Case(((2, 5, 3),), Attributes((1,), p=3.0)),
    "ties": Case(((2, 2, 3, 5),), Attributes((1, 2), p=float("inf")), ties=True),
    "zeros in a row": Case(((5, 4),), Attributes((-1,), p=0.5), ties=True),
    "zeros in a row of sizes": Case(((5, 4),), Attributes((-1,), p=1.0), ties=True),
    "an image of zeros": Case(((2, 3, 4, 5),), Attributes((1, 2), True), scale=0.0),
}
TOLERANCE = roundings(36)  # a sum of 12 powers and a root
MUTATIONS: dict[str, Any] = {"axes": (2,), "keepdims": False, "p": 1.0}
SHOWN = {
    "slope": ("an image of zeros",),
    "ties": ("ties", "zeros in a row"),
    "torch": ("height and width, which stay as 1",),
    "onnx": ("p 3",),
}
