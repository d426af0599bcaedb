"""A norm in keras.ops whose slope at 0 is 0 and not NaN: what reduce_norm and l2_normalize share."""

from __future__ import annotations

from typing import Any

INFINITE = float("inf")


def keras_norm(ops: Any, x: Any, p: float, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The p-norm over axes; a root is never taken of 0."""
    if p == 1:
        return ops.sum(ops.absolute(x), axis=axes, keepdims=keepdims)
    if p == INFINITE:
        return ops.max(ops.absolute(x), axis=axes, keepdims=keepdims)
    powers = ops.square(x) if p == 2 else ops.power(ops.absolute(x), p)
    total = ops.sum(powers, axis=axes, keepdims=keepdims)
    nothing = ops.equal(total, 0)
    safe = ops.where(nothing, ops.ones_like(total), total)
    root = ops.sqrt(safe) if p == 2 else ops.power(safe, 1 / p)
    return ops.where(nothing, ops.zeros_like(total), root)
