"""repeat_interleave: each place of an axis several times in a row (numpy.repeat).

Shape    x  ->  y; the axis is `count` times as long

Laws     y[i] = x[i // count] along the axis; nearest-neighbour upsampling is two of them

Traps    names   torch.repeat copies the whole: see repeat
         onnx    an axis of 1 behind it, tiled, and joined again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Call, Case, Gap, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    count: int
    axis: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UnsupportedError(f"repeat_interleave: a count of {self.count}; expected at least 1")


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    axis = a.axis % len(x)
    return (*x[:axis], x[axis] * a.count, *x[axis + 1 :])


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.repeat(x, a.count, a.axis)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return x.repeat_interleave(a.count, dim=scope.axis(a.axis))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.ops.repeat(x, a.count, axis=scope.axis(a.axis))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axis, given = scope.axis(a.axis), tuple(scope.shapes[0][old] for old in scope.orders[0])
    apart = (*given[: axis + 1], 1, *given[axis + 1 :])
    counts = [a.count if place == axis + 1 else 1 for place in range(len(apart))]
    tiled = scope.emit("Tile", [scope.reshape(x, given, apart), scope.constant(np.array(counts, np.int64))])
    tall = tuple(size * count for size, count in zip(apart, counts, strict=True))
    return scope.reshape(tiled, tall, (*given[:axis], given[axis] * a.count, *given[axis + 1 :]))


def from_torch(call: Call) -> Any:
    x, count = call.value(call["self"]), call["repeats"]
    if not isinstance(count, int) or call["dim"] is None:
        raise call.refuse("a count for each place, or no axis")
    return call.emit("repeat_interleave", {"count": count, "axis": x.order[call["dim"]]}, x)


FROM_TORCH = {"aten.repeat_interleave": from_torch}


def from_keras(call: LayerCall) -> Any:
    x, count, axis = call.inputs[0], call.layer.repeats, call.layer.axis
    if not isinstance(count, int) or axis is None:
        raise call.refuse(f"repeats={count}, axis={axis}", "Give one count and an axis.")
    return call.emit("repeat_interleave", {"count": count, "axis": axis % x.rank}, x)


FROM_KERAS = {"ops.Repeat": from_keras}
CASES = {"heads of keys": Case(((2, 3, 4, 5),), Attributes(2, 1)), "channels": Case(((2, 3, 3),), Attributes(3, -1))}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"axis": 1, "count": 2}
COUNTS = [1, 2, 1, 2, 1, 2]
GAPS = {
    "another count for each place": Gap(
        "torch", lambda torch, x: x.repeat_interleave(torch.tensor(COUNTS), 2), "a count"
    ),
    "a count for each place": Gap("keras", lambda keras, x: keras.ops.repeat(x, COUNTS, 1), "Give one count"),
}
SHOWN = {"names": ("heads of keys",), "onnx": ("channels",)}
