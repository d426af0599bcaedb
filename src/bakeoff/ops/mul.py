"""mul: the product of values, element by element.

Shape    x1, x2, ... (as NumPy broadcasts)  ->  y = x1 x2 ...

Laws     order doesn't matter but for rounding; a product with (N, 1, 1, C) scales channels (squeeze and excitation)

Traps    torch   `x * y`, no module; a captured graph may multiply in place, into an array that is read again
         keras   a Multiply layer where batch sizes agree, `x * y` for a bare parameter (a layer scale): merging layers
                 refuse those
         layout  a bare (C,) lies along the last of (N, H, W, C), which is the second of torch's (N, C, H, W): the
                 builder reshapes it to (1, C, 1, 1)
"""

from __future__ import annotations

from operator import mul
from typing import Any

from bakeoff.ops._elementwise import broadcasts, chained, emits_chained, merging, pairs
from bakeoff.ops._importers import numbered, torch_merged
from bakeoff.ops._importers_keras import keras_merged, keras_numbered
from bakeoff.ops._page import Call, LayerCall

shape = broadcasts("mul")
truth = to_torch = chained(mul)
to_keras = merging("Multiply", mul)
to_onnx = emits_chained("Mul")


def from_torch(call: Call) -> Any:
    x, y = call["self"], call["other"]
    found = numbered(call, x, y, lambda c: (c, 0), lambda c: (c, 0))
    return torch_merged(call, "mul", x, y) if found is None else found


FROM_TORCH = {"aten.mul": from_torch, "aten.multiply": from_torch}


def from_layer_scale(call: LayerCall) -> Any:
    """ConvNeXt's own layer: a learned factor for each channel."""
    return call.emit("mul", {}, call.inputs[0], call.value(call.layer.gamma))


FROM_KERAS = {
    "layers.Multiply": keras_merged("mul"),
    "layers.LayerScale": from_layer_scale,
    "ops.Multiply": keras_numbered("mul", lambda c: (c, 0), lambda c: (c, 0)),
}
CASES = pairs()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # one operation, rounded the same way everywhere (IEEE 754)
SHOWN = {"torch": ("images",), "keras": ("images",), "layout": ("a channel's number for each image",)}
