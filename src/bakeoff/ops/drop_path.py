"""drop_path: in training the whole value of an image is dropped with the probability `rate`; also called stochastic
depth.

Shape    x  ->  y of the same shape
         train     y = mask x / (1 - rate), mask 1 with probability 1 - rate, else 0; drawn for each image
         predict   y = x
         Huang et al., 2016, scaled in training as timm and Keras applications do

Laws     the expected y is x; rate 0 changes nothing; one image's values are all kept or all dropped

Traps    torch   no module of torch itself: timm has DropPath, torchvision StochasticDepth("row"); a small one is used
         keras   no layer either: Dropout with noise_shape (None, 1, 1, 1) is the same, and a `.keras` file with it
                 loads without Bakeoff
         masks   those that one library has drawn are handed to the other (see dropout)
         onnx    predicts alone: nothing is left of it
Raised   from torch by a pattern of several calls: frameworks/torch/capture/patterns/drop_path.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._noise import check_rate, masked, unchanged
from bakeoff.ops._page import Case, Mode, Scope, roundings
from bakeoff.schemas import Array

DRAWS, PREDICTS = "masks", 0


@dataclass(frozen=True)
class Attributes:
    rate: float = 0.1

    def __post_init__(self) -> None:
        check_rate(self.rate, "drop_path")


def mask_shape(x: tuple[int, ...], a: Attributes | None = None) -> tuple[int, ...]:
    """One draw for each image."""
    return (x[0], *(1 for _ in x[1:]))


def truth(mode: Mode, a: Attributes, x: Array) -> Array:
    return masked(mode, a.rate, x, mask_shape(x.shape), "drop_path")


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.helper(scope.own.DropPath(a.rate), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    each = (None, *(1 for _ in x.shape[1:]))
    return scope.helper(scope.lib.layers.Dropout(a.rate, noise_shape=each, name=scope.name), x, suffix="")


to_onnx = unchanged
FROM_KERAS = keras_unary("drop_path", "layers.StochasticDepth", rate="drop_path_rate")
CASES = {
    "predict": Case(((2, 3, 4, 5),), Attributes(0.2)),
    "train, rate 0": Case(((3, 7),), Attributes(0.0), train=True),
    "train": Case(((200, 1, 2, 3),), Attributes(0.2), train=True),
}
TOLERANCE = roundings(1)
MUTATIONS: dict[str, Any] = {"rate": 0.3}
SHOWN = {"torch": ("train",), "keras": ("train",), "masks": ("train, rate 0",), "onnx": ("predict",)}
