"""scale_shift: a number times x, plus a number.

Shape    x  ->  y of the same shape, y = scale x + shift

Laws     scale 1 and shift 0 change nothing; two of them are one; x - c, c - x and x / c are this, too

Traps    rounding  x / c is rounded once, x times 1 / c twice: 1 ulp apart. XLA may round scale x + shift once
         float64   keras.layers.Rescaling takes its numbers through float32 on TensorFlow; `x * scale` does not
Raised   from torch by what takes a number for one of two values: add, sub, mul, div
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._importers import affine
from bakeoff.ops._page import Case, Fault, LayerCall, Mode, Scope, roundings
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Attributes:
    scale: float = 1.0
    shift: float = 0.0


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.asarray(x * a.scale + a.shift)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    y = x if a.scale == 1 else x * a.scale
    return y if a.shift == 0 else y + a.shift


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    y = x if a.scale == 1 and a.shift else x * a.scale
    return y if a.shift == 0 else y + a.shift


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    scale, shift = (scope.constant(np.asarray(number, scope.dtype)) for number in (a.scale, a.shift))
    y = x if a.scale == 1 else scope.emit("Mul", [x, scale])
    return y if a.shift == 0 else scope.emit("Add", [y, shift])


def from_keras(call: LayerCall) -> Any:
    """Rescaling, by numbers or by one number for each channel."""
    x = call.inputs[0]
    scale, shift = call.number(call.layer.scale), call.number(call.layer.offset)
    if scale is not None and shift is not None:
        return call.emit("scale_shift", {"scale": scale, "shift": shift}, x)
    if scale is not None:
        y = affine(call, x, scale=scale)
    else:
        y = call.emit("mul", {}, x, call.value(call.layer.scale))
    if shift is not None:
        return affine(call, y, shift=shift)
    return call.emit("add", {}, y, call.value(call.layer.offset))


FROM_KERAS = {"layers.Rescaling": from_keras}
CASES = {
    "images, from -1 to 1": Case(((2, 3, 4, 5),), Attributes(1 / 127.5, -1.0), scale=100.0),
    "one minus x": Case(((3, 7),), Attributes(-1.0, 1.0)),
    "a factor alone": Case(((3, 7),), Attributes(0.1)),
    "a term alone": Case(((3, 7),), Attributes(shift=0.1)),
}
TOLERANCE = roundings(2)  # a product and a sum
FAULTS = {"tensorflow": Fault("Rescaling takes its numbers through float32", 6e-8)}
MUTATIONS: dict[str, Any] = {"scale": 0.5, "shift": 0.5}
SHOWN = {"rounding": ("images, from -1 to 1",), "float64": ("a factor alone",)}
