"""Where two values tie, or a function bends: who gets the gradient, in NumPy and in stock operators of any library.

    first   the first of them, all of it (TensorFlow's maximum);   last   the last (torch's clamp: the bound)
    share   each the same (torch's maximum, JAX's)

A page whose libraries differ there has the rule as its attribute `ties`, which importers set to their source's. Every
page with a tie or a bend states its rule as `gradient`, and has a case with `ties=True` that shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bakeoff.ops._elementwise import NOTHING, Lowering
from bakeoff.ops._page import Case, Scope
from bakeoff.schemas import Array

Ties = Literal["first", "last", "share"]
Gradient = Callable[..., tuple[Array, ...]]  # (attributes, gradient of the output, *inputs, **parameters)
SHARES: dict[Ties, float] = {"first": 1.0, "last": 0.0, "share": 0.5}
OF_KERAS = {"tensorflow": "first", "jax": "share"}  # its maximum, minimum and clip, by backend
LEAKY = {"tensorflow": "last", "jax": "first"}  # and its leaky ReLU


@dataclass(frozen=True)
class Attributes:
    """Of an operator that is told nothing but its rule."""

    ties: Ties = "share"


def chosen(where: Any, x: Any, y: Any, ties: Ties, larger: bool = True) -> Any:
    """The larger of two values, or the smaller, by the library's own `where`; y may be a number.

    The difference is compared, not the two: Keras takes a number that is compared through float32.
    """
    ahead = x - y if larger else y - x
    if ties != "share":
        return where(ahead < 0 if ties == "first" else ahead <= 0, y, x)
    return where(ahead > 0, x, where(ahead < 0, y, x * 0.5 + y * 0.5))


def weight(ahead: Array, ties: Ties) -> Array:
    """The share of the gradient that goes to what is ahead by that much."""
    found: Array = (ahead > 0) + SHARES[ties] * (ahead == 0)
    return found


def bend(slope: Callable[[Any, Array], Array]) -> Gradient:
    """The rule of an elementwise page of one value: its slope, (attributes, x)."""
    return lambda a, dy, x, **_: ((dy * slope(a, x)).astype(x.dtype),)


def of_two(sign: int) -> Gradient:
    """The rule of the larger (1) or the smaller (-1) of two values of one shape."""

    def gradient(a: Any, dy: Array, x: Array, y: Array) -> tuple[Array, ...]:
        share = weight(sign * (x - y), a.ties).astype(x.dtype)
        return dy * share, dy * (1 - share)

    return gradient


def lowered(name: Literal["maximum", "minimum"]) -> tuple[Lowering, Lowering]:
    """to_torch and to_keras."""
    larger = name == "maximum"

    def to_torch(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
        return getattr(scope.lib, name)(x, y) if a.ties == "share" else chosen(scope.lib.where, x, y, a.ties, larger)

    def to_keras(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
        return chosen(scope.lib.ops.where, x, y, a.ties, larger)

    return to_torch, to_keras


def tied(*attributes: Any, inputs: int = 1) -> dict[str, Case]:
    """A case with ties and bends for each of these attributes."""
    return {f"ties, {a.ties}": Case(((3, 40),) * inputs, a, ties=True) for a in attributes}


BENDS = {"where it bends": Case(((3, 40),), NOTHING, ties=True)}
