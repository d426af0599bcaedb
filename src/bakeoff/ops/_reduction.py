"""What the reductions share: canonical axes, how what is left of them lies, and lowerings and importers of one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, product
from bakeoff.ops._elementwise import Lowering, Truth
from bakeoff.ops._importers import reductions
from bakeoff.ops._importers_keras import Importer as KerasRaising
from bakeoff.ops._importers_keras import keras_axes
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Attributes:
    """`axes` count canonically: channels last."""

    axes: tuple[int, ...]
    keepdims: bool = False


def cases(told: Callable[..., Any]) -> dict[str, Case]:
    """Cases for a page with attributes that begin with these."""
    return {
        "height and width": Case(((2, 3, 4, 5),), told((1, 2))),
        "height and width, which stay as 1": Case(((2, 3, 4, 5),), told((1, 2), True)),
        "rows alone": Case(((2, 3, 4, 5),), told((1,))),
        "channels": Case(((2, 3, 4, 5),), told((-1,), True)),
        "tokens": Case(((2, 5, 3),), told((1,))),
    }


CASES = cases(Attributes)
MUTATIONS = {"axes": (2,), "keepdims": True}


def places(axes: tuple[int, ...], rank: int, what: str) -> tuple[int, ...]:
    """The canonical axes from 0, in order.

    Raises:
        UnsupportedError: an axis is named twice, or isn't there.
    """
    found = sorted({axis % rank for axis in axes}) if rank else []
    if len(found) != len(axes) or not all(-rank <= axis < rank for axis in axes):
        raise UnsupportedError(f"{what}: the axes {axes} are not different axes of an input of rank {rank}")
    return tuple(found)


def reduces(what: str) -> Callable[..., Shape]:
    """The shape rule: 1 at the axes, or without them."""

    def shape(a: Any, x: Shape, *_: Shape) -> Shape:
        gone = places(a.axes, len(x), what)
        if a.keepdims:
            return tuple(1 if axis in gone else size for axis, size in enumerate(x))
        return tuple(size for axis, size in enumerate(x) if axis not in gone)

    return shape


def physical(scope: Scope, axes: tuple[int, ...]) -> tuple[int, ...]:
    """Where the canonical axes lie in the first input."""
    return tuple(sorted(scope.axis(axis) for axis in axes))


def laid(scope: Scope, axes: tuple[int, ...], keepdims: bool, native: Any) -> Any:
    """The output with the order of its axes: those that are left stay as they lay."""
    order = scope.orders[0]
    if keepdims:
        return scope.laid(native, order)
    gone = {axis % len(order) for axis in axes}
    kept = sorted(axis for axis in order if axis not in gone)
    return scope.laid(native, tuple(kept.index(axis) for axis in order if axis not in gone))


def onnx_axes(scope: Scope, axes: tuple[int, ...]) -> Any:
    """The axes as ONNX takes them since opset 18: an input."""
    return scope.constant(np.array(physical(scope, axes), np.int64))


def elements(axes: tuple[int, ...], x: Shape, what: str) -> int:
    """How many numbers become one."""
    return product(tuple(x[axis % len(x)] for axis in axes), what)


def said(numpy: str, torch: str, keras: str, onnx: str) -> tuple[Truth, Lowering, Lowering, Lowering]:
    """truth, to_torch, to_keras and to_onnx: what the reduction is called in NumPy, torch, keras.ops and ONNX."""

    def truth(_: Mode, a: Attributes, x: Array) -> Array:
        return np.asarray(getattr(x, numpy)(axis=a.axes, keepdims=a.keepdims))

    def to_torch(scope: Scope, a: Attributes, x: Any) -> Any:
        y = getattr(scope.lib, torch)(x, dim=physical(scope, a.axes), keepdim=a.keepdims)
        return laid(scope, a.axes, a.keepdims, y)

    def to_keras(scope: Scope, a: Attributes, x: Any) -> Any:
        y = getattr(scope.lib.ops, keras)(x, axis=physical(scope, a.axes), keepdims=a.keepdims)
        return laid(scope, a.axes, a.keepdims, y)

    def to_onnx(scope: Scope, a: Attributes, x: Any) -> Any:
        y = scope.emit(onnx, [x, onnx_axes(scope, a.axes)], keepdims=int(a.keepdims))
        return laid(scope, a.axes, a.keepdims, y)

    return truth, to_torch, to_keras, to_onnx


def torch_reduced(op: str) -> Callable[..., Any]:
    """A reduction of torch, with further attributes."""

    def from_torch(call: Call, **attributes: Any) -> Any:
        x = call.value(call["self"])
        keepdims, dim = bool(attributes.get("keepdims", call.get("keepdim"))), call.get("dim")
        axes, order = reductions(x, [dim] if isinstance(dim, int) else dim, keepdims)
        y = call.emit(op, {"axes": axes, **attributes, "keepdims": keepdims}, x, order=order)
        return (y, None) if len(call.shapes) == 2 else y  # max and min have indices, too

    return from_torch


def keras_reduced(op: str, *keys: str, **attributes: Any) -> dict[str, KerasRaising]:
    """A reduction of keras.ops under each of these names, with further attributes that are known."""

    def from_keras(call: LayerCall) -> Any:
        if getattr(call.layer, "initial", None) is not None:
            raise call.refuse("initial=", "Use maximum or minimum with that number.")
        given = {"axes": keras_axes(call, call.layer.axis), "keepdims": bool(call.layer.keepdims)}
        return call.emit(op, {**given, **attributes}, call.inputs[0])

    return dict.fromkeys(keys, from_keras)


def keras_pooled(op: str, *keys: str) -> dict[str, KerasRaising]:
    """A pooling layer over all places, under each of these names; such layers count channels last."""

    def from_keras(call: LayerCall) -> Any:
        axes = tuple(range(1, call.inputs[0].rank - 1))
        return call.emit(op, {"axes": axes, "keepdims": bool(call.layer.keepdims)}, call.inputs[0])

    return dict.fromkeys(keys, from_keras)
