"""sigmoid: the logistic function.

Shape    x  ->  y of the same shape, y = 1 / (1 + exp(-x))

Laws     0 <= y <= 1; sigmoid(-x) = 1 - sigmoid(x); the slope is y (1 - y)

Traps    loss    a net that ends in it should be trained from its logits: binary_cross_entropy takes them
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import Attributes, activation, emits, ends, module, raised, usual
from bakeoff.ops._page import Mode, roundings
from bakeoff.schemas import Array


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    e = np.exp(-np.abs(x))  # never above 1
    return np.asarray(np.where(x < 0, e, np.ones((), x.dtype)) / (1 + e))


to_torch = module("Sigmoid")
to_keras = activation("sigmoid")
to_onnx = emits("Sigmoid")
FROM_TORCH, FROM_KERAS = raised("sigmoid", "aten.sigmoid", "activations.sigmoid", "ops.Sigmoid")
CASES = usual() | ends()
TOLERANCE = roundings(1)  # an exponential, a sum and a quotient: a few ulps
