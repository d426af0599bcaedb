"""global_avg_pool: the mean of each channel over the whole image.

Shape    x (N, H, W, C)  ->  y (N, C), or (N, 1, 1, C) with `keepdims`

Laws     linear in x; the order of the elements doesn't matter; frees a net from its input's size

Traps    torch   has no module for it: AdaptiveAvgPool2d(1), which keeps both axes
         keras   GlobalAveragePooling2D drops them unless told; on JAX it computes in float32 unless the promotion
                 table is mended
         sums    over 49 elements and more, float32 results differ by the order of the sum
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.ops._dimension import Shape
from bakeoff.ops._elementwise import layer
from bakeoff.ops._importers import IMAGE, reductions
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope, roundings
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


to_keras = layer("GlobalAveragePooling2D", "keepdims")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    y = scope.emit("GlobalAveragePool", [x])
    return y if a.keepdims else scope.emit("Flatten", [y], axis=1)


def from_adaptive(call: Call) -> Any:
    x = call.arranged(call["self"], IMAGE)
    wanted = [size or old for size, old in zip(call["output_size"], x.sizes[2:], strict=True)]
    if wanted == list(x.sizes[2:]):
        return x
    if wanted == [1, 1]:
        return call.emit("global_avg_pool", {"keepdims": True}, x)
    return call.emit("adaptive_avg_pool2d", {"size": tuple(wanted)}, x)


def from_mean(call: Call) -> Any:
    x = call.value(call["self"])
    axes, order = reductions(x, call.get("dim"), bool(call.get("keepdim")))
    keepdims = bool(call.get("keepdim"))
    if x.order == IMAGE and axes == (1, 2):
        return call.emit("global_avg_pool", {"keepdims": keepdims}, x, order=order)
    return call.emit("reduce_mean", {"axes": axes, "keepdims": keepdims}, x, order=order)


FROM_TORCH = {"aten.adaptive_avg_pool2d": from_adaptive, "aten.mean": from_mean}


def from_keras(call: LayerCall) -> Any:
    return call.emit("global_avg_pool", {"keepdims": bool(call.layer.keepdims)}, call.inputs[0])


FROM_KERAS = {"layers.GlobalAveragePooling2D": from_keras}
CASES = {
    "to vectors": Case(((2, 3, 4, 5),), Attributes()),
    "to one element": Case(((2, 3, 4, 5),), Attributes(keepdims=True)),
    "one element stays": Case(((2, 1, 1, 5),), Attributes()),
}
TOLERANCE = roundings(12)
MUTATIONS: dict[str, Any] = {"keepdims": True}
SHOWN = {"torch": ("to vectors",), "keras": ("to one element",), "sums": ("to vectors",)}
