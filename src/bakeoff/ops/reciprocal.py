"""reciprocal: one over x.

Shape    x  ->  y of the same shape, y = 1 / x

Laws     reciprocal(reciprocal(x)) = x; a constant c / x is c times it, by scale_shift

Traps    range   at 0 it is infinite, without a warning
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, same_shape, usual
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import roundings

LAYOUT = "elementwise"
shape = same_shape
truth = computed(np.reciprocal)
to_torch = function("reciprocal")
to_keras = operation("reciprocal")
to_onnx = emits("Reciprocal")
FROM_TORCH = {"aten.reciprocal": torch_unary("reciprocal")}
FROM_KERAS = keras_unary("reciprocal", "ops.Reciprocal")
CASES = usual(positive=True)
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"range": ("images",)}
