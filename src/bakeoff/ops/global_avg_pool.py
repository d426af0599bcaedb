"""global_avg_pool: the mean of each channel over the whole picture.

Shape    x (N, H, W, C)  ->  y (N, C), or (N, 1, 1, C) with `keepdims`

Laws     linear in x; the order of the cells doesn't matter; frees a net from its input's size

Traps    torch   has no module for it: AdaptiveAvgPool2d(1), which keeps both axes
         keras   GlobalAveragePooling2D drops them unless told; on JAX it computes in float32 unless the promotion
                 table is mended
         sums    over 49 cells and more, float32 results differ by the order of the sum
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, Mode, Scope, rounding
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    keepdims: bool = False


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return (x[0], 1, 1, x[3]) if a.keepdims else (x[0], x[3])


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = x.mean(axis=(1, 2), keepdims=a.keepdims)
    return y


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    y = scope.helper(scope.lib.nn.AdaptiveAvgPool2d(1), x, suffix="")
    return y if a.keepdims else y.flatten(1)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    return scope.helper(scope.lib.layers.GlobalAveragePooling2D(keepdims=a.keepdims, name=scope.name), x, suffix="")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    y = scope.emit("GlobalAveragePool", [x])
    return y if a.keepdims else scope.emit("Flatten", [y], axis=1)


def from_adaptive(x: Any, size: Any) -> Attributes:
    if tuple(size) not in ((1,), (1, 1)):
        raise UnsupportedError(f"adaptive_avg_pool2d to {tuple(size)} (only to 1 x 1)")
    return Attributes(keepdims=True)


def from_mean(x: Any, axes: Any, keepdims: bool = False, *, dtype: Any = None) -> Attributes:
    if len(x.shape) != 4 or {axis % 4 for axis in axes} != {2, 3}:
        raise UnsupportedError(f"mean over the axes {tuple(axes)} of rank {len(x.shape)} (only height and width)")
    return Attributes(keepdims)


FROM_TORCH = {"aten.adaptive_avg_pool2d.default": from_adaptive, "aten.mean.dim": from_mean}
CASES = {
    "to vectors": Case(((2, 3, 4, 5),), Attributes()),
    "to one cell": Case(((2, 3, 4, 5),), Attributes(keepdims=True)),
    "one cell stays": Case(((2, 1, 1, 5),), Attributes()),
}
TOLERANCE = {dtype: rounding(12, dtype) for dtype in ("float32", "float64")}
MUTATIONS: dict[str, Any] = {"keepdims": True}
GAPS = {"torch: adaptive pooling to other sizes": "not yet: raises UnsupportedError"}
SHOWN = {"torch": ("to vectors",), "keras": ("to one cell",), "sums": ("to vectors",)}
