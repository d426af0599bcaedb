"""What reduce_max and reduce_min share: which value is the largest over axes, and which of several equal ones it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops import _reduction as reduction
from bakeoff.ops._elementwise import Lowering, Truth
from bakeoff.ops._importers import Importer, torch_merged
from bakeoff.ops._page import Call, Case, Scope
from bakeoff.ops._ties import Gradient
from bakeoff.schemas import Array

Word = Literal["max", "min"]


@dataclass(frozen=True)
class Attributes(reduction.Attributes):
    """The first of several is the first row by row: as if axes were reduced from the last to the first."""

    ties: Literal["share", "first"] = "share"


CASES = reduction.cases(Attributes) | {
    f"ties, {ties}": Case(((2, 3, 4, 5),), Attributes((1, 2), ties == "share", ties), ties=True)
    for ties in ("share", "first")
}


def gradient(word: Word) -> Gradient:
    """The rule: shared by all that are the largest, or the first one's."""

    def rule(a: Attributes, dy: Array, x: Array) -> tuple[Array, ...]:
        places = reduction.places(a.axes, x.ndim, f"reduce_{word}")
        wins = x == getattr(x, word)(axis=places, keepdims=True)
        if a.ties == "first":
            order = [axis for axis in range(x.ndim) if axis not in places] + [*places]
            rows = wins.transpose(order)
            flat = rows.reshape(*rows.shape[: x.ndim - len(places)], -1)
            alone = np.arange(flat.shape[-1]) == flat.argmax(-1)[..., None]
            wins = alone.reshape(rows.shape).transpose(np.argsort(order))
        dy = dy if a.keepdims else np.expand_dims(dy, places)
        return ((dy * wins / wins.sum(places, keepdims=True)).astype(x.dtype),)

    return rule


def said(word: Word) -> tuple[Truth, Lowering, Lowering, Lowering]:
    """truth, to_torch, to_keras and to_onnx."""
    truth, torch_shared, keras_shared, to_onnx = reduction.said(word, f"a{word}", word, f"Reduce{word.title()}")

    def to_torch(scope: Scope, a: Attributes, x: Any) -> Any:
        if a.ties == "share":
            return torch_shared(scope, a, x)
        return _first(scope, a, x, lambda y, axis, keepdims: getattr(scope.lib, word)(y, axis, keepdims)[0])

    def to_keras(scope: Scope, a: Attributes, x: Any) -> Any:
        ops = scope.lib.ops
        if a.ties == "share":
            return keras_shared(scope, a, x)

        def one(y: Any, axis: int, keepdims: bool) -> Any:
            found = ops.take_along_axis(y, getattr(ops, f"arg{word}")(y, axis=axis, keepdims=True), axis)
            return found if keepdims else ops.squeeze(found, axis)

        return _first(scope, a, x, one)

    return truth, to_torch, to_keras, to_onnx


def _first(scope: Scope, a: Attributes, x: Any, one: Callable[[Any, int, bool], Any]) -> Any:
    """Axis by axis, from the last to the first: physical axes behind a removed one have moved."""
    gone: list[int] = []
    for axis in reversed(reduction.places(a.axes, len(scope.shapes[0]), "a reduction")):
        place = scope.axis(axis)
        x = one(x, place - sum(before < place for before in gone), a.keepdims)
        gone += [] if a.keepdims else [place]
    return reduction.laid(scope, a.axes, a.keepdims, x)


def of_one(call: Call) -> Any:
    """torch's topk, of a single one."""
    if call["k"] != 1:
        raise call.refuse("of the k largest the first alone can be had")
    word = "max" if call["largest"] else "min"
    return reduction.torch_reduced(f"reduce_{word}")(call, ties="first", keepdims=True)


def from_torch(op: str, of_two: str) -> Importer:
    """max and min of a value over axes; the overload that compares two is another page."""
    reduced = reduction.torch_reduced(op)

    def raised(call: Call) -> Any:
        if "other" in call.overload:
            return torch_merged(call, of_two, call["self"], call["other"])
        return reduced(call, ties="first" if len(call.shapes) == 2 else "share")

    return raised
