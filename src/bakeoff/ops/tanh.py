"""tanh: the hyperbolic tangent.

Shape    x  ->  y of the same shape, y = (e^x - e^-x) / (e^x + e^-x)

Laws     |y| <= 1; tanh(-x) = -tanh(x)

Traps    xla     JAX and compiled TensorFlow take a rational approximation in float32: a few ulps apart, not bit for bit
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import Attributes, activation, computed, emits, ends, module, raised
from bakeoff.ops._page import Case, roundings

truth = computed(np.tanh)
to_torch = module("Tanh")
to_keras = activation("tanh")
to_onnx = emits("Tanh")
FROM_TORCH, FROM_KERAS = raised("tanh", "aten.tanh", "activations.tanh", "ops.Tanh")
CASES = {"images": Case(((2, 3, 4, 5),), Attributes())} | ends(4.0)
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"xla": ("many, so that both ends are reached",)}
