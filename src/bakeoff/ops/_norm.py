"""A norm in keras.ops whose slope at 0 is 0 and not NaN: what reduce_norm and l2_normalize share."""

from __future__ import annotations

from typing import Any

INFINITE = float("inf")


def keras_norm(ops: Any, x: Any, p: float, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The p-norm over axes; a root is never taken of 0."""
    if p == 1:
        return ops.sum(_size(ops, x), axis=axes, keepdims=keepdims)
    if p == INFINITE:
        return ops.max(_size(ops, x), axis=axes, keepdims=keepdims)
    powers = ops.square(x) if p == 2 else _powers(ops, x, p)
    total = ops.sum(powers, axis=axes, keepdims=keepdims)
    nothing = ops.equal(total, 0)
    safe = ops.where(nothing, ops.ones_like(total), total)
    root = ops.sqrt(safe) if p == 2 else ops.power(safe, 1 / p)
    return ops.where(nothing, ops.zeros_like(total), root)


def _size(ops: Any, x: Any) -> Any:
    """|x| with the slope 0 at 0, which is 1 in JAX's own."""
    return x * ops.sign(x)


def _powers(ops: Any, x: Any, p: float) -> Any:
    zero = ops.equal(x, 0)  # below p = 1 the slope of |x|^p is infinite there
    return ops.where(zero, ops.zeros_like(x), ops.power(ops.where(zero, ops.ones_like(x), _size(ops, x)), p))
