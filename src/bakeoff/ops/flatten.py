"""flatten: all axes but the batch become one.

Shape    x (N, H, W, C)  ->  y (N, H * W * C); the order of the features is said: "HWC", or "CHW" as torch counts

Laws     HWC and CHW hold the same numbers in another order; 1 x 1 images: the same

Traps    torch   nn.Flatten counts channels first, Keras's Flatten channels last. A dense layer behind it takes the
                 order as it comes, and the rows of its kernel are moved instead: no transpose runs
Raised   from torch by views, an order of axes as often as a node: frameworks/torch/capture/_structure.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bakeoff.ops._dimension import Shape, product
from bakeoff.ops._elementwise import layer, module
from bakeoff.ops._page import Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "free"  # the builder notes the order in which the library's own flatten leaves the features


@dataclass(frozen=True)
class Attributes:
    order: Literal["HWC", "CHW"] = "HWC"


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x[0], product(x[1:], "flatten")


def feature_axes(a: Attributes, x: Shape) -> tuple[int, ...]:
    """The canonical axes in the order in which they are counted."""
    rest = tuple(range(1, len(x)))
    return (3, 1, 2) if a.order == "CHW" and len(x) == 4 else rest


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    if a.order == "CHW" and x.ndim == 4:
        x = x.transpose(0, 3, 1, 2)
    return x.reshape(len(x), -1)


to_torch = module("Flatten")
to_keras = layer("Flatten")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Flatten", [x], axis=1)


def from_keras(call: LayerCall) -> Any:
    return call.emit("flatten", {}, call.inputs[0]) if call.inputs[0].rank > 2 else call.inputs[0]


FROM_KERAS = {"layers.Flatten": from_keras}
CASES = {
    "channels last": Case(((2, 3, 4, 5),), Attributes()),
    "channels first": Case(((2, 3, 4, 5),), Attributes("CHW")),
    "vectors stay": Case(((2, 3),), Attributes()),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}
MUTATIONS: dict[str, Any] = {"order": "CHW"}
SHOWN = {"torch": ("channels first",)}
