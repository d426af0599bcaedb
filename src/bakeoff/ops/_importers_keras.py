"""What the importers of several pages share, from Keras; see `bakeoff.ops._page.LayerCall`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from bakeoff.ops._importers import Said, numbered
from bakeoff.ops._page import LayerCall

Importer = Callable[[LayerCall], Any]
Rules = Mapping[str, str]  # {backend: what it does with ties}, see `_ties.py`
NONE: Rules = {}


def rule(call: LayerCall, ties: Rules) -> dict[str, str]:
    """The attribute that says what the source's backend does with ties; nothing for a page without it."""
    return {"ties": ties[call.lib.config.backend()]} if ties else {}


def keras_unary(op: str, *keys: str, ties: Rules = NONE, **attributes: str) -> dict[str, Importer]:
    """A page of one value under each of these names: {attribute: the layer's setting that gives it}."""

    def from_keras(call: LayerCall) -> Any:
        given = {key: float(getattr(call.layer, name)) for key, name in attributes.items()}
        return call.emit(op, given | rule(call, ties), call.inputs[0])

    return dict.fromkeys(keys, from_keras)


def keras_fixed(op: str, *keys: str, ties: Rules = NONE, **attributes: Any) -> dict[str, Importer]:
    """The same with attributes that are known: a function of keras.activations with its defaults."""

    def from_keras(call: LayerCall) -> Any:
        return call.emit(op, attributes | rule(call, ties), call.inputs[0])

    return dict.fromkeys(keys, from_keras)


def keras_along(op: str, *keys: str) -> dict[str, Importer]:
    """A page of one value and one axis under each of these names."""

    def from_keras(call: LayerCall) -> Any:
        if len(call.inputs) > 1 or not isinstance(call.layer.axis, int):
            raise call.refuse(f"axis={call.layer.axis}, or a mask", "Only one axis is known, without a mask.")
        return call.emit(op, {"axis": call.layer.axis % call.inputs[0].rank}, call.inputs[0])

    return dict.fromkeys(keys, from_keras)


def keras_merged(op: str) -> Importer:
    """A merging layer: elementwise, over values of one rank."""

    def from_keras(call: LayerCall) -> Any:
        _of_one_rank(call)
        return call.inputs[0] if len(call.inputs) == 1 else call.emit(op, {}, *call.inputs)

    return from_keras


def keras_folded(op: str, ties: Rules = NONE) -> Importer:
    """The same for an operator of two: the third with the result of the first two."""

    def from_keras(call: LayerCall) -> Any:
        _of_one_rank(call)
        return reduce(lambda x, y: call.emit(op, rule(call, ties), x, y), call.inputs)

    return from_keras


def _of_one_rank(call: LayerCall) -> None:
    if len({value.rank for value in call.inputs}) > 1:
        raise call.refuse("it merges values of different ranks", "Reshape them to one rank first.")


def keras_pairwise(op: str, ties: Rules = NONE) -> Importer:
    """An operation of keras.ops on two values, or on a value and an array."""
    return lambda call: call.emit(op, rule(call, ties), *map(call.value, call.operands))


def keras_numbered(op: str, right: Said, left: Said) -> Importer:
    """The same, or on a value and a number."""

    def from_keras(call: LayerCall) -> Any:
        x, y = (one if call.number(one) is not None else call.value(one) for one in call.operands)
        found = numbered(call, x, y, right, left)
        return call.emit(op, {}, x, y) if found is None else found

    return from_keras


def keras_pooling(op: str, **attributes: Any) -> Importer:
    """A pooling layer over windows of images, or of sequences, which are images of one row."""

    def from_keras(call: LayerCall) -> Any:
        layer, x = call.layer, call.inputs[0]
        window, stride = tuple(layer.pool_size), tuple(layer.strides)
        given = {"pad": "same" if layer.padding == "same" else (0, 0, 0, 0), **attributes}
        if len(window) > 1:
            return call.emit(op, {"window": window, "stride": stride, **given}, x)
        row = call.emit("reshape", {"shape": (x.shape[0], 1, *x.shape[1:])}, x)
        y = call.emit(op, {"window": (1, *window), "stride": (1, *stride), **given}, row)
        return call.emit("reshape", {"shape": (y.shape[0], *y.shape[2:])}, y)

    return from_keras


def keras_axes(call: LayerCall, given: Any) -> tuple[int, ...]:
    """Keras's axis, a number, several or None for all, as positive axes."""
    rank = call.inputs[0].rank
    if given is None:
        return tuple(range(rank))
    many = (given,) if isinstance(given, int) else tuple(given)
    return tuple(sorted(axis % rank for axis in many))
