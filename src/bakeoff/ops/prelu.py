"""prelu: the positive part, and a learned share of the negative one.

Shape    x (..., C), alpha (C,), (1,), or one for each element (H, W, C)  ->  y of x's shape, y = x for x > 0, else
         alpha x He et al., 2015

Laws     alpha 0 is relu, alpha 1 changes nothing, one alpha is leaky_relu

Traps    torch   one alpha, or one for each channel, on the second axis: another shape has no module, and is written out
         keras   one alpha for each element, unless axes are shared: shared_axes=[1, 2] is torch's, with alpha (1, 1, C)
         ties    at 0 torch's slope is alpha, Keras's 0: it adds the positive part and alpha times the negative one
         start   0.25 in torch, 0 in Keras
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.ops._ties import tied
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """`alpha` is the shape of the slot alpha: it broadcasts with the last axes of x."""

    alpha: tuple[int, ...]
    ties: Literal["last", "none"] = "last"


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    pairs = list(zip(reversed(a.alpha), reversed(x), strict=False))
    if len(a.alpha) >= len(x) or any(
        own not in (1, fixed(size, "prelu of each element")) for own, size in pairs if own != 1
    ):
        raise UnsupportedError(f"prelu: an alpha of shape {a.alpha} does not fit an input of shape {x}")
    return x


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    return {"alpha": Slot(a.alpha)}


def truth(_: Mode, a: Attributes, x: Array, *, alpha: Array) -> Array:
    return np.where(x > 0, x, alpha * x)


def gradient(a: Attributes, dy: Array, x: Array, *, alpha: Array) -> tuple[Array, ...]:
    below = alpha * (x < 0) if a.ties == "none" else alpha * (x <= 0)
    return (dy * ((x > 0) + below).astype(x.dtype),)


def _letters(a: Attributes) -> list[str]:
    return [f"a{axis}" for axis in range(len(a.alpha))]


def _ones(a: Attributes, x: Shape) -> list[str]:
    return ["1"] * (len(x) - 1 - len(a.alpha))


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    own = " ".join(_letters(a))
    return {
        "torch": {"alpha": Native("weight", f"{own} -> {own}")},
        "keras": {"alpha": Native("alpha", f"{own} -> " + " ".join([*_ones(a, x), *_letters(a)]))},
    }


def _in_front(a: Attributes, x: Shape) -> str:
    """A pattern that lays alpha as a library with channels first lays x, but for the batch."""
    own, ones = _letters(a), _ones(a, x)
    return " ".join(own) + " -> " + " ".join([own[-1], *ones, *own[:-1]])


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if len(a.alpha) == 1 and scope.owned():
        y = scope.module(scope.lib.nn.PReLU(a.alpha[0]), x)
        return y if a.ties == "last" else y.masked_fill(x == 0, 0)
    own, sizes = _letters(a), (a.alpha[-1], *a.alpha[:-1])
    alpha = scope.parameter("alpha", " ".join(own) + " -> " + " ".join([own[-1], *own[:-1]]))
    alpha = scope.reshape(alpha, sizes, (sizes[0], *[1] * (len(scope.shapes[0]) - 1 - len(own)), *sizes[1:]))
    y = scope.lib.where(x > 0, x, alpha * x)
    return y if a.ties == "last" else y.masked_fill(x == 0, 0)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    rank = len(scope.shapes[0])
    sizes = (*[1] * (rank - 1 - len(a.alpha)), *a.alpha)
    shared = [axis + 1 for axis, size in enumerate(sizes) if size == 1 and scope.shapes[0][axis + 1] != 1]
    layer = scope.lib.layers.PReLU(shared_axes=shared or None, name=scope.name)
    if a.ties == "none":
        return scope.module(layer, x)
    ops = scope.lib.ops
    zero = ops.equal(x, 0)  # there the layer is asked a hair below, and its answer put to 0
    y = scope.module(layer, ops.where(zero, x - float(np.finfo(scope.dtype).tiny), x))
    return y - ops.stop_gradient(ops.where(zero, y, ops.zeros_like(y)))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("PRelu", [x, scope.parameter("alpha", _in_front(a, scope.shapes[0]))])


def from_torch(call: Call) -> Any:
    x = call.last(call["self"], (1,)) if len(call["self"].sizes) > 1 else call.value(call["self"])
    alpha = call["weight"].sizes
    if call.name == "aten._prelu_kernel":
        raise call.refuse("its slopes come already broadcast")
    return call.emit("prelu", {"alpha": alpha}, x, parameters={"alpha": call.parameter("weight")})


FROM_TORCH = {"aten.prelu": from_torch, "aten._prelu_kernel": from_torch}


def from_keras(call: LayerCall) -> Any:
    alpha = tuple(call.layer.alpha.shape)
    while len(alpha) > 1 and alpha[0] == 1:
        alpha = alpha[1:]
    return call.emit("prelu", {"alpha": alpha, "ties": "none"}, call.inputs[0], parameters={"alpha": call.layer.alpha})


FROM_KERAS = {"layers.PReLU": from_keras}
CASES = {
    "one for each channel": Case(((2, 3, 4, 5),), Attributes((5,))),
    "one for all": Case(((2, 3, 4, 5),), Attributes((1,))),
    "one for each element": Case(((2, 3, 4, 5),), Attributes((3, 4, 5))),
    "vectors": Case(((3, 7),), Attributes((7,))),
} | tied(Attributes((40,)), Attributes((1,), "none"))
TOLERANCE = roundings(1)  # one product
MUTATIONS: dict[str, Any] = {"ties": "none"}
SHOWN = {
    "torch": ("one for each element",),
    "keras": ("one for each channel", "one for each element"),
    "ties": ("ties, last", "ties, none"),
    "start": ("vectors",),
}
