"""reciprocal: one over x.

Shape    x  ->  y of the same shape, y = 1 / x

Laws     reciprocal(reciprocal(x)) = x; a constant c / x is c times it, by scale_shift

Traps    range   at 0 it is infinite, without a warning
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, raised, usual
from bakeoff.ops._page import roundings

truth = computed(np.reciprocal)
to_torch = function("reciprocal")
to_keras = operation("reciprocal")
to_onnx = emits("Reciprocal")
FROM_TORCH, FROM_KERAS = raised("reciprocal", "aten.reciprocal", "ops.Reciprocal")
CASES = usual(positive=True)
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"range": ("images",)}
