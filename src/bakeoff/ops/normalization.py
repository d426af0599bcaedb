"""normalization: each channel less a known mean, over a known deviation; both are statistics of data, and not learned.

Shape    x (..., C), mean, variance (C,), or () for one number each  ->  y of x's shape

Formula  y = (x - mean) / max(sqrt(variance), epsilon)

Laws     data of that mean and variance come out with mean 0 and variance 1; the same in training and prediction

Traps    keras   Normalization keeps copies of its statistics in the shape in which they broadcast: they are renewed
                 when a file is loaded, and have to be when its weights are assigned (finalize_state). Its epsilon is
                 Keras's own, keras.config.epsilon()
         torch   nets keep it outside, in the transforms of their data: a small module holds it
         count   Keras also counts the batches that it has adapted to, in an integer that no prediction reads
Raised   from Keras alone: torch has no such layer
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._elementwise import along_channels
from bakeoff.ops._importers_keras import keras_axes
from bakeoff.ops._page import Case, Gap, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """`channels`: one mean for each; else one for all."""

    epsilon: float = 1e-7
    channels: bool = True


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    size = (fixed(x[-1], "normalization: the number of channels"),) if a.channels else ()
    return {"mean": Slot(size, "constant"), "variance": Slot(size, "constant")}


def truth(_: Mode, a: Attributes, x: Array, *, mean: Array, variance: Array) -> Array:
    return np.asarray((x - mean) / np.maximum(np.sqrt(variance), np.asarray(a.epsilon, x.dtype)))


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    letters = "c -> c" if a.channels else ""
    return {
        "torch": {slot: Native(slot, letters) for slot in ("mean", "variance")},
        "keras": {slot: Native(f"adapt_{slot}", letters) for slot in ("mean", "variance")},
    }


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    size = scope.shapes[0][-1] if a.channels else None
    return scope.module(scope.own.Normalization(size, a.epsilon, scope.axis(-1)), x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    axis = scope.axis(-1) if a.channels else None
    if a.epsilon != scope.lib.config.epsilon():  # the layer knows no other
        mean, variance = _both(scope, a)
        return (x - mean) / scope.lib.ops.maximum(scope.lib.ops.sqrt(variance), a.epsilon)
    return scope.module(scope.lib.layers.Normalization(axis=axis, name=scope.name), x)


def _both(scope: Scope, a: Attributes) -> list[Any]:
    held = [scope.parameter(slot) for slot in ("mean", "variance")]
    return [along_channels(scope, value) for value in held] if a.channels else held


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    mean, variance = _both(scope, a)
    least = scope.constant(np.asarray(a.epsilon, scope.dtype))
    deviation = scope.emit("Max", [scope.emit("Sqrt", [variance]), least])
    return scope.emit("Div", [scope.emit("Sub", [x, mean]), deviation])


def from_keras(call: LayerCall) -> Any:
    """Adapted statistics are weights of the model; given ones are settings."""
    layer, x = call.layer, call.inputs[0]
    axes = () if layer.axis is None or layer.axis == () else keras_axes(call, layer.axis)
    if axes not in ((), (x.rank - 1,)) or layer.invert:
        raise call.refuse(f"axis={layer.axis}, invert={layer.invert}", "Only the last axis is known, or none.")
    if layer.input_mean is None:
        slots = {"mean": layer.adapt_mean, "variance": layer.adapt_variance}
        call.keep(layer.count)
    else:
        slots = {"mean": call.array(layer.mean), "variance": call.array(layer.variance)}
    attributes = {"epsilon": float(call.lib.config.epsilon()), "channels": bool(axes)}
    return call.emit("normalization", attributes, x, parameters=slots)


FROM_KERAS = {"layers.Normalization": from_keras}
CASES = {
    "images": Case(((2, 3, 4, 5),), Attributes()),
    "vectors": Case(((3, 7),), Attributes()),
    "one for all": Case(((2, 3, 4, 5),), Attributes(channels=False)),
}
TOLERANCE = roundings(3)  # a difference, a root and a quotient
MUTATIONS: dict[str, Any] = {"epsilon": 2.0}


def _gap(**settings: Any) -> Gap:
    """Keras's layer with these settings."""
    layer = {"mean": 0.5, "variance": 2.0} | settings
    return Gap("keras", lambda keras, x: keras.layers.Normalization(**layer)(x), "Only the last axis is known")


GAPS = {"invert=True": _gap(invert=True), "statistics over other axes than the last": _gap(axis=1)}
SHOWN = {"keras": ("images",), "torch": ("vectors",)}
