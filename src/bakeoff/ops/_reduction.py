"""What the reductions share: canonical axes, and how what is left of them lies."""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, product
from bakeoff.ops._page import Scope


def places(axes: tuple[int, ...], rank: int, what: str) -> tuple[int, ...]:
    """The canonical axes from 0, in order.

    Raises:
        UnsupportedError: an axis is named twice, or isn't there.
    """
    found = sorted({axis % rank for axis in axes}) if rank else []
    if len(found) != len(axes) or not all(-rank <= axis < rank for axis in axes):
        raise UnsupportedError(f"{what}: the axes {axes} are not different axes of an input of rank {rank}")
    return tuple(found)


def reduced(axes: tuple[int, ...], keepdims: bool, x: Shape, what: str) -> Shape:
    """The output's shape: 1 at the axes, or without them."""
    gone = places(axes, len(x), what)
    if keepdims:
        return tuple(1 if axis in gone else size for axis, size in enumerate(x))
    return tuple(size for axis, size in enumerate(x) if axis not in gone)


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


def cells(axes: tuple[int, ...], x: Shape, what: str) -> int:
    """How many numbers become one."""
    return product(tuple(x[axis % len(x)] for axis in axes), what)
