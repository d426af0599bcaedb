"""add: the sum of values.

Shape    x1, x2, ... (as NumPy broadcasts)  ->  y = x1 + x2 + ...

Laws     order doesn't matter but for rounding; adding 0 changes nothing

Traps    torch   `x + y`, no module; a captured graph may add in place, into an array that is read again
         keras   an Add layer where batch sizes agree, `x + y` for a bare parameter: merging layers refuse those. On
                 TensorFlow keras.ops.add takes a y with one axis that isn't 1, as (1, H, 1), for a bias: it goes along
                 the channels where there are as many, or along axis 1. As the first of the two it goes where it lies
         layout  a bare (C,) lies along the last of (N, H, W, C), which is the second of torch's (N, C, H, W): the
                 builder reshapes it to (1, C, 1, 1)
"""

from __future__ import annotations

from operator import add
from typing import Any

from bakeoff.ops._elementwise import broadcasts, chained, emits_chained, merging, pairs
from bakeoff.ops._importers import affine, numbered, torch_merged
from bakeoff.ops._importers_keras import keras_merged, keras_numbered
from bakeoff.ops._page import Call, LayerCall, Scope

shape = broadcasts("add")
truth = to_torch = chained(add)


def _narrow(value: Any) -> bool:
    return len(value.shape) > 1 and sum(size != 1 for size in value.shape) == 1


def to_keras(scope: Scope, a: Any, *inputs: Any) -> Any:
    def plus(left: Any, right: Any) -> Any:
        if not _narrow(right):
            return left + right
        return scope.lib.ops.subtract(left, -right) if _narrow(left) else scope.lib.ops.add(right, left)

    return merging("Add", plus)(scope, a, *inputs)


to_onnx = emits_chained("Add")


def from_torch(call: Call) -> Any:
    x, y, alpha = call["self"], call["other"], call.number(call.get("alpha", 1)) or 1
    found = numbered(call, x, y, lambda c: (1, alpha * c), lambda c: (alpha, c))
    return torch_merged(call, "add", x, affine(call, y, scale=alpha)) if found is None else found


FROM_TORCH = {"aten.add": from_torch}


def from_average(call: LayerCall) -> Any:
    return affine(call, keras_merged("add")(call), scale=1 / len(call.inputs))


def from_scaled(call: LayerCall) -> Any:
    """InceptionResNetV2's own layer: x + scale * y."""
    x, y = call.inputs
    return call.emit("add", {}, x, affine(call, y, scale=call.layer.scale))


FROM_KERAS = {
    "layers.Add": keras_merged("add"),
    "layers.Average": from_average,
    "layers.CustomScaleLayer": from_scaled,
    "ops.Add": keras_numbered("add", lambda c: (1, c), lambda c: (1, c)),
}
CASES = pairs()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # one operation, rounded the same way everywhere (IEEE 754)
SHOWN = {"torch": ("images",), "keras": ("images",), "layout": ("a channel's number for each image",)}
