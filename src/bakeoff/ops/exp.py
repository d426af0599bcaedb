"""exp: the exponential.

Shape    x  ->  y of the same shape, y = e^x

Laws     exp(a + b) = exp(a) exp(b); exp(0) = 1

Traps    range   above 88.7 it is infinite in float32, above 709.7 in float64: softmax subtracts the largest value first
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, raised, usual
from bakeoff.ops._page import roundings

truth = computed(np.exp)
to_torch = function("exp")
to_keras = operation("exp")
to_onnx = emits("Exp")
FROM_TORCH, FROM_KERAS = raised("exp", "aten.exp", "activations.exponential", "ops.Exp")
CASES = usual()
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"range": ("vectors",)}
