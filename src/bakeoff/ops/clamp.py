"""clamp: x, kept between two bounds.

Shape    x  ->  y of the same shape, y = min(max(x, low), high); a bound of None is none

Laws     low <= y <= high; clamp(clamp(x)) = clamp(x)

Traps    torch   clamp, hardtanh, clamp_min and relu6 are all this; where both bounds cross, high wins
         ties    exactly on a bound TensorFlow's slope is 1, JAX's a half, that of torch's hardtanh 0 and of its clamp 0
                 or, in older versions, 1: measured. Keras's hard_tanh has 1 on both backends
         onnx    bounds are inputs since opset 11; a missing one is an empty name
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._importers_keras import keras_fixed, keras_unary
from bakeoff.ops._page import Call, Case, Fault, Mode, Scope
from bakeoff.ops._ties import OF_KERAS, SHARES, Ties, bend, chosen, tied, weight
from bakeoff.schemas import Array

HARD = {"tensorflow": "first", "jax": "first"}  # hard_tanh


@dataclass(frozen=True)
class Attributes:
    low: float | None = None
    high: float | None = None
    ties: Ties = "last"

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise UnsupportedError("clamp: neither bound is given; give low, high or both")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = x if a.low is None else np.maximum(x, np.asarray(a.low, x.dtype))
    return y if a.high is None else np.minimum(y, np.asarray(a.high, x.dtype))


def slope(a: Attributes, x: Array) -> Array:
    low = np.ones_like(x) if a.low is None else weight(x - a.low, a.ties)
    return low if a.high is None else low * weight(a.high - np.maximum(x, -np.inf if a.low is None else a.low), a.ties)


gradient = bend(slope)


@cache
def torch_ties(torch: Any, tensor: bool = False) -> Ties:
    """What this version of torch does with a value on a bound that is a number, or a tensor."""
    with torch.enable_grad():
        x = torch.zeros(1, requires_grad=True)
        (found,) = torch.autograd.grad(torch.clamp(x, torch.zeros(1) if tensor else 0.0), x)
    rules: dict[float, Ties] = {1.0: "first", 0.0: "last"}
    return rules.get(found.item(), "share")


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if a.ties == torch_ties(scope.lib):
        return scope.lib.clamp(x, a.low, a.high)
    return _bounded(scope.lib.where, a, x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return _bounded(scope.lib.ops.where, a, x)


def _bounded(where: Any, a: Attributes, x: Any) -> Any:
    x = x if a.low is None else chosen(where, x, a.low, a.ties)
    return x if a.high is None else chosen(where, x, a.high, a.ties, larger=False)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    bounds = ["" if bound is None else scope.constant(np.asarray(bound, scope.dtype)) for bound in (a.low, a.high)]
    return scope.emit("Clip", [x, *bounds])


def from_torch(call: Call) -> Any:
    bounds = {"low": call.get("min"), "high": call.get("max")}
    found = {key: None if bound is None else call.number(bound) for key, bound in bounds.items()}
    if any(found[key] is None and bound is not None for key, bound in bounds.items()):
        raise call.refuse("bounds that are computed")
    return call.emit("clamp", found | {"ties": torch_ties(call.lib, "Tensor" in call.overload)}, call["self"])


FROM_TORCH = {f"aten.{name}": from_torch for name in ("clamp", "clip", "clamp_min", "clamp_max")}
FROM_KERAS = {
    **keras_unary("clamp", "ops.Clip", ties=OF_KERAS, low="x_min", high="x_max"),
    **keras_fixed("clamp", "activations.hard_tanh", "ops.HardTanh", ties=HARD, low=-1.0, high=1.0),
}
CASES = {
    "images": Case(((2, 3, 4, 5),), Attributes(-0.3, 0.7)),
    "from below": Case(((3, 7),), Attributes(low=0.1)),
    "from above": Case(((3, 7),), Attributes(high=0.1)),
} | tied(*(Attributes(-1.0, 3.0, ties) for ties in SHARES))
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, or rounded once: the same everywhere (IEEE 754)
FAULTS = {"tensorflow": Fault("ReLU takes its largest value through float32", 6e-8)}
MUTATIONS: dict[str, Any] = {"low": -0.5, "high": 0.5, "ties": "share"}
SHOWN = {"torch": ("images",), "ties": ("ties, first", "ties, last", "ties, share"), "onnx": ("from above",)}
