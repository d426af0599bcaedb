"""clamp: x, kept between two bounds.

Shape    x  ->  y of the same shape, y = min(max(x, low), high); a bound of None is none

Laws     low <= y <= high; clamp(clamp(x)) = clamp(x)

Traps    torch   clamp, hardtanh, clamp_min and relu6 are all this; where both bounds cross, high wins
         slope   exactly on a bound torch's clamp and TensorFlow take 1, torch's hardtanh 0 and JAX a half
         onnx    bounds are inputs since opset 11; a missing one is an empty name
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._elementwise import same_shape
from bakeoff.ops._importers_keras import keras_fixed, keras_unary
from bakeoff.ops._page import Call, Case, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "elementwise"
shape = same_shape


@dataclass(frozen=True)
class Attributes:
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise UnsupportedError("clamp: neither bound is given; give low, high or both")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = x if a.low is None else np.maximum(x, np.asarray(a.low, x.dtype))
    return y if a.high is None else np.minimum(y, np.asarray(a.high, x.dtype))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.clamp(x, a.low, a.high)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    ops = scope.lib.ops
    if a.low is not None and a.high is not None:
        return ops.clip(x, a.low, a.high)
    return ops.maximum(x, a.low) if a.low is not None else ops.minimum(x, a.high)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    bounds = ["" if bound is None else scope.constant(np.asarray(bound, scope.dtype)) for bound in (a.low, a.high)]
    return scope.emit("Clip", [x, *bounds])


def from_torch(call: Call) -> Any:
    bounds = {"low": call.get("min"), "high": call.get("max")}
    found = {key: None if bound is None else call.number(bound) for key, bound in bounds.items()}
    if any(found[key] is None and bound is not None for key, bound in bounds.items()):
        raise call.refuse("bounds that are computed")
    return call.emit("clamp", found, call["self"])


FROM_TORCH = {f"aten.{name}": from_torch for name in ("clamp", "clip", "clamp_min", "clamp_max")}


FROM_KERAS = {
    **keras_unary("clamp", "ops.Clip", low="x_min", high="x_max"),
    **keras_fixed("clamp", "activations.hard_tanh", "ops.HardTanh", low=-1.0, high=1.0),
}
CASES = {
    "images": Case(((2, 3, 4, 5),), Attributes(-0.3, 0.7)),
    "from below": Case(((3, 7),), Attributes(low=0.1)),
    "from above": Case(((3, 7),), Attributes(high=0.1)),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, or rounded once: the same everywhere (IEEE 754)
MUTATIONS: dict[str, Any] = {"low": -0.5, "high": 0.5}
SHOWN = {"torch": ("images",), "slope": ("from below",), "onnx": ("from above",)}
