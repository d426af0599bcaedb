"""lrn: local response normalisation: each channel divided by the strength of its neighbours.

Shape    x (N, H, W, C)  ->  y of the same shape
         y = x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta
         Krizhevsky et al., 2012 (AlexNet); GoogLeNet

Laws     alpha 0: x / k^beta; the same at every place of the image

Traps    alpha   torch and ONNX divide it by size, tf.nn.lrn does not; AlexNet's paper doesn't either
         sides   of an even size torch takes the odd neighbour from below (channel c - size / 2), ONNX from above
         keras   has no layer for it: squares, padded and averaged along the channels
         tf      its depth_radius r means a size of 2 r + 1
Raised   from torch as what it calls: avg_pool2d, pow, div
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import fixed
from bakeoff.ops._elementwise import module
from bakeoff.ops._page import Case, Gap, Mode, Scope, roundings
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    below = a.size // 2
    ends = ((0, 0),) * (x.ndim - 1)
    squares = np.pad(x * x, (*ends, (below, a.size - 1 - below)))
    total = np.lib.stride_tricks.sliding_window_view(squares, a.size, axis=-1).sum(-1)
    return np.asarray(x / (a.k + (a.alpha / a.size) * total) ** np.asarray(a.beta, x.dtype))


to_torch = module("LocalResponseNorm", "size", "alpha", "beta", "k")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    ops, below = scope.lib.ops, a.size // 2
    channels, rank = fixed(scope.shapes[0][-1], "lrn: the number of channels"), len(scope.shapes[0])
    squares = ops.pad(ops.square(x), (*((0, 0),) * (rank - 1), (below, a.size - 1 - below)))
    total = reduce(add, [squares[..., first : first + channels] for first in range(a.size)])
    return x / ops.power(total * (a.alpha / a.size) + a.k, a.beta)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    if a.size % 2 == 0:
        raise UnsupportedError(f"lrn {scope.name}: ONNX takes the neighbours of an even size ({a.size}) from above")
    if scope.dtype == "float64":
        raise UnsupportedError(f"lrn {scope.name}: ONNX holds alpha, beta and k as float32. Export in float32.")
    return scope.emit("LRN", [x], size=a.size, alpha=a.alpha, beta=a.beta, bias=a.k)


CASES = {
    "AlexNet's": Case(((2, 3, 4, 9),), Attributes(5, 1e-4, 0.75, 2.0), scale=20.0),
    "GoogLeNet's, strong": Case(((2, 3, 4, 9),), Attributes(5, 1.0)),
    "three neighbours": Case(((2, 3, 4, 9),), Attributes(3, 2.0, 0.5)),
}
TOLERANCE = roundings(12)  # a sum of 5 squares, a power below 1 and a quotient
MUTATIONS: dict[str, Any] = {"size": 3, "alpha": 5e-1, "beta": 1.0, "k": 1.5}
IMAGES = ((2, 3, 4, 9),)
GAPS = {
    "an even size": Gap("onnx", Case(IMAGES, Attributes(4)), "of an even size"),
    "float64": Gap("onnx", Case(IMAGES, Attributes(5)), "as float32", kind="not upstream"),
}
SHOWN = {
    "alpha": ("GoogLeNet's, strong",),
    "sides": ("three neighbours",),
    "keras": ("AlexNet's",),
    "tf": ("AlexNet's",),
}
