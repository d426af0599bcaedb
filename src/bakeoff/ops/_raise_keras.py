"""What the raisings of several pages share, from Keras; see `bakeoff.ops._page.LayerCall`."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from bakeoff.ops._page import LayerCall

Raising = Callable[[LayerCall], Any]


def keras_unary(op: str, *keys: str, **attributes: str) -> dict[str, Raising]:
    """A page of one value under each of these names: {attribute: the layer's setting that gives it}."""

    def from_keras(call: LayerCall) -> Any:
        given = {key: float(getattr(call.layer, name)) for key, name in attributes.items()}
        return call.emit(op, given, call.inputs[0])

    return dict.fromkeys(keys, from_keras)


def keras_fixed(op: str, *keys: str, **attributes: Any) -> dict[str, Raising]:
    """The same with attributes that are known: a function of keras.activations with its defaults."""

    def from_keras(call: LayerCall) -> Any:
        return call.emit(op, attributes, call.inputs[0])

    return dict.fromkeys(keys, from_keras)


def keras_affine(call: LayerCall, x: Any, scale: float = 1.0, shift: float = 0.0) -> Any:
    """x * scale + shift; nothing where that is x."""
    if (scale, shift) == (1, 0):
        return x
    return call.emit("scale_shift", {"scale": float(scale), "shift": float(shift)}, x)


def keras_merged(call: LayerCall, op: str) -> Any:
    """A merging layer: elementwise, over values of one rank."""
    _of_one_rank(call)
    return call.inputs[0] if len(call.inputs) == 1 else call.emit(op, {}, *call.inputs)


def keras_folded(call: LayerCall, op: str) -> Any:
    """The same for an operator of two: the third with the result of the first two."""
    _of_one_rank(call)
    return reduce(lambda x, y: call.emit(op, {}, x, y), call.inputs)


def _of_one_rank(call: LayerCall) -> None:
    if len({value.rank for value in call.inputs}) > 1:
        raise call.refuse("it merges values of different ranks", "Reshape them to one rank first.")


def keras_pairwise(call: LayerCall, op: str) -> Any:
    """An operation of keras.ops on two values, or on a value and an array."""
    left, right = call.operands
    return call.emit(op, {}, call.value(left), call.value(right))


def keras_axes(call: LayerCall, given: Any) -> tuple[int, ...]:
    """Keras's axis, a number, several or None for all, as positive axes."""
    rank = call.inputs[0].rank
    if given is None:
        return tuple(range(rank))
    many = (given,) if isinstance(given, int) else tuple(given)
    return tuple(sorted(axis % rank for axis in many))
