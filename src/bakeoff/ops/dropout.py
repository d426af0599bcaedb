"""dropout: in training each value is dropped with the probability `rate`, and the others are scaled up.

Shape    x  ->  y of the same shape
         train     y = mask x / (1 - rate), mask 1 with probability 1 - rate, else 0; drawn for each value
         predict   y = x
         Srivastava et al., 2014, in its inverted form

Laws     the expected y is x; rate 0 changes nothing

Traps    masks   random streams can't be made to agree between libraries: parity is checked at rate 0, or with the
                 mask read off the output; the scale 1 / (1 - rate) is the same in both
         keras   the mask comes from a seed of the layer: keras.utils.set_random_seed before the net is built
         onnx    predicts alone: nothing is left of it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Call, Case, Mode, Scope, rounding
from bakeoff.schemas import Array

LAYOUT = "elementwise"
RANDOM = True  # in training, unless the rate is 0


@dataclass(frozen=True)
class Attributes:
    rate: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise UnsupportedError(f"dropout: the rate {self.rate} is not at least 0 and below 1")


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x


def mask_shape(x: tuple[int, ...]) -> tuple[int, ...]:
    """One draw for each value."""
    return x


def truth(mode: Mode, a: Attributes, x: Array) -> Array:
    if not mode.train or not a.rate:
        return x
    if mode.mask is None:
        raise UnsupportedError("dropout: the truth of a training pass needs Mode(mask=...)")
    y: Array = x * mode.mask(mask_shape(x.shape), 1 - a.rate).astype(x.dtype) / (1 - a.rate)
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.helper(scope.lib.nn.Dropout(a.rate), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.helper(scope.lib.layers.Dropout(a.rate, name=scope.name), x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return x


def from_torch(call: Call) -> Any:
    if not call["train"] or not call["p"]:
        return call["input"]
    return call.emit("dropout", {"rate": float(call["p"])}, call["input"])


FROM_TORCH = {"aten.dropout": from_torch}
CASES = {
    "predict": Case(((2, 3, 4, 5),), Attributes(0.2)),
    "train, rate 0": Case(((3, 7),), Attributes(0.0), train=True),
    "train": Case(((40, 50),), Attributes(0.2), train=True),
}
TOLERANCE = {dtype: rounding(1, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {"rate": 0.3}
GAPS = {"the same mask in both libraries": "never: their random streams differ"}
SHOWN = {"masks": ("train, rate 0",), "keras": ("train",), "onnx": ("predict",)}
