"""abs: the size of x without its sign.

Shape    x  ->  y of the same shape, y = |x|

Laws     y >= 0; abs(-x) = abs(x)

Traps    slope   at 0 torch, TensorFlow and JAX take 0 (JAX: the sign of 0, which is 0)
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import Attributes, emits, function, operation, same_shape
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import Case, Mode
from bakeoff.schemas import Array

LAYOUT = "elementwise"
shape = same_shape


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.abs(x)


to_torch = function("abs")
to_keras = operation("absolute")
to_onnx = emits("Abs")
FROM_TORCH = {"aten.abs": torch_unary("abs"), "aten.absolute": torch_unary("abs")}
FROM_KERAS = keras_unary("abs", "ops.Absolute", "ops.Abs")
CASES = {"images": Case(((2, 3, 4, 5),), Attributes()), "vectors": Case(((3, 7),), Attributes())}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, or rounded once: the same everywhere (IEEE 754)
SHOWN = {"slope": ("images",)}
