"""abs: the size of x without its sign.

Shape    x  ->  y of the same shape, y = |x|

Laws     y >= 0; abs(-x) = abs(x)

Traps    slope   at 0 torch, TensorFlow and JAX take 0 (JAX: the sign of 0, which is 0)
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, same_shape, usual
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary

LAYOUT = "elementwise"
shape = same_shape
truth = computed(np.abs)
to_torch = function("abs")
to_keras = operation("absolute")
to_onnx = emits("Abs")
FROM_TORCH = {"aten.abs": torch_unary("abs"), "aten.absolute": torch_unary("abs")}
FROM_KERAS = keras_unary("abs", "ops.Absolute", "ops.Abs")
CASES = usual()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, or rounded once: the same everywhere (IEEE 754)
SHOWN = {"slope": ("images",)}
