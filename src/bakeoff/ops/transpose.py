"""transpose: the axes in another order.

Shape    x  ->  y, axis i of y being axis `axes[i]` of x

Laws     transposing by the inverse order gives x back; the numbers and their count stay

Traps    cost    none runs here: the builder renames axes, and moves memory only where an operator asks for an order.
                 An image's (N, C, H, W) in torch and (N, H, W, C) in Keras are one value
         torch   a transpose is a view; what lies in canonical order is turned at once
         onnx    Transpose copies; ONNX Runtime takes some out again
Raised   from torch by views, an order of axes as often as a node: frameworks/torch/capture/_structure.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """`axes` names each axis once."""

    axes: tuple[int, ...]


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    if sorted(a.axes) != list(range(len(x))):
        raise UnsupportedError(f"transpose: {a.axes} is no order of the axes of {x}")
    return tuple(x[axis] for axis in a.axes)


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return x.transpose(a.axes)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.laid(x, tuple(a.axes.index(axis) for axis in scope.orders[0]))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    plain = tuple(range(len(a.axes)))
    if scope.orders[0] == plain:  # a view, as the source has it: once here, and not once for each that reads it
        return scope.laid(scope.permute(x, a.axes), plain)
    return to_keras(scope, a, x)


to_onnx = to_keras


def from_keras(call: LayerCall) -> Any:
    """The layer Permute counts axes from 1, without the batch."""
    return call.emit("transpose", {"axes": (0, *call.layer.dims)}, call.inputs[0])


def from_operation(call: LayerCall) -> Any:
    rank = call.inputs[0].rank
    given = call.layer.axes
    order = tuple(reversed(range(rank))) if given is None else tuple(axis % rank for axis in given)
    return call.emit("transpose", {"axes": order}, call.inputs[0])


def from_swapaxes(call: LayerCall) -> Any:
    order = list(range(call.inputs[0].rank))
    one, other = call.layer.axis1, call.layer.axis2
    order[one], order[other] = order[other], order[one]
    return call.emit("transpose", {"axes": tuple(order)}, call.inputs[0])


def from_moveaxis(call: LayerCall) -> Any:
    rank = call.inputs[0].rank
    sources = [axis % rank for axis in call.layer.source]
    order = [axis for axis in range(rank) if axis not in sources]
    for place, axis in sorted(zip((place % rank for place in call.layer.destination), sources, strict=True)):
        order.insert(place, axis)
    return call.emit("transpose", {"axes": tuple(order)}, call.inputs[0])


FROM_KERAS = {
    "layers.Permute": from_keras,
    "ops.Transpose": from_operation,
    "ops.Swapaxes": from_swapaxes,
    "ops.Moveaxis": from_moveaxis,
}
CASES = {
    "tokens and features": Case(((2, 3, 4),), Attributes((0, 2, 1))),
    "an image, channels first": Case(((2, 3, 4, 5),), Attributes((0, 3, 1, 2))),
    "windows": Case(((2, 3, 2, 3, 2, 5),), Attributes((0, 1, 3, 2, 4, 5))),
    "the batch moves": Case(((2, 3, 4),), Attributes((1, 0, 2))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # moved
MUTATIONS: dict[str, Any] = {"axes": (0, 1, 2)}
SHOWN = {"cost": ("an image, channels first",), "torch": ("tokens and features",), "onnx": ("windows",)}
