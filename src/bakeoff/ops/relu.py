"""relu: the positive part.

Shape    x  ->  y of the same shape, y = max(x, 0)

Laws     relu(a x) = a relu(x) for a > 0; relu(relu(x)) = relu(x)

Traps    ties    the slope at 0 is taken as 0 by torch, TensorFlow and JAX
         keras   with a largest value it is relu6 at 6, and else clip: on its bound another slope than relu6's
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import computed, emits, layer, module, usual
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary, rule
from bakeoff.ops._page import LayerCall
from bakeoff.ops._ties import BENDS, LEAKY, OF_KERAS, bend

truth = computed(lambda x: np.maximum(x, np.zeros((), x.dtype)))
gradient = bend(lambda _, x: x > 0)
to_torch = module("ReLU")
to_keras = layer("ReLU")
to_onnx = emits("Relu")
FROM_TORCH = {"aten.relu": torch_unary("relu")}


def from_keras(call: LayerCall) -> Any:
    """ReLU with a largest value, or a slope below 0: other pages say those."""
    layer, x = call.layer, call.inputs[0]
    high, slope, threshold = layer.max_value, float(layer.negative_slope or 0), float(layer.threshold or 0)
    if threshold or (high is not None and slope):
        raise call.refuse(
            f"max_value={high}, negative_slope={slope}, threshold={threshold}", "Only one of the first two is known."
        )
    if slope:
        return call.emit("leaky_relu", {"slope": slope} | rule(call, LEAKY), x)
    if high == 6:
        return call.emit("relu6", {}, x)
    y = call.emit("relu", {}, x)
    return y if high is None else call.emit("clamp", {"high": float(high)} | rule(call, OF_KERAS), y)


FROM_KERAS = {
    **keras_unary("relu", "activations.relu", "ops.Relu"),
    "layers.ReLU": from_keras,
    "ops.ReLU": from_keras,  # keras.activations.relu with settings
}
CASES = usual() | BENDS
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # a maximum is chosen, never computed
SHOWN = {"ties": ("where it bends",)}
