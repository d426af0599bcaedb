"""dropout: in training each value is dropped with the probability `rate`, and the others are scaled up.

Shape    x  ->  y of the same shape
         train     y = mask x / (1 - rate), mask 1 with probability 1 - rate, else 0; drawn for each value,
                   or once for all values along the axes `shared`
         predict   y = x
         Srivastava et al., 2014, in its inverted form

Laws     the expected y is x; rate 0 changes nothing

Traps    masks   random streams can't be made to agree between libraries: the masks that one has drawn are handed to the
                 other; the scale 1 / (1 - rate) is the same in both
         keras   the mask comes from a seed of the layer: keras.utils.set_random_seed before the net is built
         onnx    predicts alone: nothing is left of it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.ops._importers import affine
from bakeoff.ops._noise import check_rate, masked, unchanged
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope, roundings
from bakeoff.schemas import Array

DRAWS, PREDICTS = "masks", 0


@dataclass(frozen=True)
class Attributes:
    """`shared`: canonical axes along which a value is dropped as a whole; (1, 2) drops whole channels of an image."""

    rate: float = 0.5
    shared: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_rate(self.rate, "dropout")


def mask_shape(x: tuple[int, ...], a: Attributes | None = None) -> tuple[int, ...]:
    """One draw for each value, but for the shared axes."""
    return tuple(1 if a is not None and axis in a.shared else size for axis, size in enumerate(x))


def truth(mode: Mode, a: Attributes, x: Array) -> Array:
    return masked(mode, a.rate, x, mask_shape(x.shape, a), "dropout")


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if not a.shared:
        return scope.helper(scope.lib.nn.Dropout(a.rate), x, suffix="")
    shared = tuple(sorted(scope.axis(axis) for axis in a.shared))
    if len(scope.shapes[0]) == 4 and shared == (2, 3):
        return scope.helper(scope.lib.nn.Dropout2d(a.rate), x, suffix="")
    return scope.helper(scope.own.SharedDropout(a.rate, shared), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    shared = {scope.axis(axis) for axis in a.shared}
    noise = tuple(1 if axis in shared else None for axis in range(len(x.shape))) if shared else None
    return scope.helper(scope.lib.layers.Dropout(a.rate, noise_shape=noise, name=scope.name), x, suffix="")


to_onnx = unchanged


def from_torch(call: Call) -> Any:
    if not call["train"] or not call["p"]:
        return call["input"]
    rate = float(call["p"])
    if call.alike(call["input"]) == 1:  # a mask, for whatever it is multiplied by
        return affine(call, call.drawn("bernoulli", rate), 1 / (1 - rate))
    return call.emit("dropout", {"rate": rate}, call["input"])


def from_feature_dropout(call: Call) -> Any:
    """Whole channels are dropped."""
    x = call.value(call["input"])
    if not call["train"] or not call["p"]:
        return x
    if x.rank < 3:
        raise call.refuse(f"over a value of rank {x.rank}")
    return call.emit("dropout", {"rate": float(call["p"]), "shared": tuple(sorted(x.order[2:]))}, x)


FROM_TORCH = {"aten.dropout": from_torch, "aten.feature_dropout": from_feature_dropout}


def from_keras(call: LayerCall) -> Any:
    """Dropout; one draw for an image is drop_path."""
    if not call.trains:
        return call.inputs[0]
    rate, shape = float(call.layer.rate), call.inputs[0].shape
    rank, noise = len(shape), getattr(call.layer, "noise_shape", None) or (None,) * len(shape)
    shared = tuple(axis for axis, size in enumerate(noise) if size == 1 and shape[axis] != 1)
    if any(size not in (None, 1, own) for size, own in zip(noise, shape, strict=True)):
        raise call.refuse(f"noise_shape={noise}", "Only None and 1 are known.")
    if rank > 1 and shared == tuple(range(1, rank)):
        return call.emit("drop_path", {"rate": rate}, call.inputs[0])
    return call.emit("dropout", {"rate": rate, "shared": shared}, call.inputs[0])


def from_spatial(call: LayerCall) -> Any:
    """SpatialDropout1D and 2D drop whole channels."""
    shared = tuple(range(1, call.inputs[0].rank - 1))
    if not call.trains:
        return call.inputs[0]
    return call.emit("dropout", {"rate": float(call.layer.rate), "shared": shared}, call.inputs[0])


FROM_KERAS = {
    "layers.Dropout": from_keras,
    "layers.SpatialDropout1D": from_spatial,
    "layers.SpatialDropout2D": from_spatial,
}
CASES = {
    "predict": Case(((2, 3, 4, 5),), Attributes(0.2)),
    "train, rate 0": Case(((3, 7),), Attributes(0.0), train=True),
    "train": Case(((40, 50),), Attributes(0.2), train=True),
    "train, whole channels": Case(((40, 2, 3, 20),), Attributes(0.2, (1, 2)), train=True),
    "train, whole rows": Case(((40, 5, 3, 4),), Attributes(0.2, (2, 3)), train=True),
}
TOLERANCE = roundings(1)
MUTATIONS: dict[str, Any] = {"rate": 0.3}
SHOWN = {"masks": ("train, rate 0",), "keras": ("train",), "onnx": ("predict",)}
