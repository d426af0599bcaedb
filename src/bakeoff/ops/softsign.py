"""softsign: x over one more than its size.

Shape    x  ->  y of the same shape, y = x / (1 + |x|)

Laws     |y| < 1; softsign(-x) = -softsign(x)

Traps    torch   nn.Softsign; captured it may come as abs, scale_shift and div
Raised   from torch as what it calls: abs, scale_shift, div
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import Attributes, activation, emits, module, usual
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import Mode, roundings
from bakeoff.ops._ties import BENDS, bend
from bakeoff.schemas import Array


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.asarray(x / (1 + np.abs(x)))


gradient = bend(lambda _, x: (1 + np.abs(x)) ** -2)
to_torch = module("Softsign")
to_keras = activation("softsign")
to_onnx = emits("Softsign")
FROM_KERAS = keras_unary("softsign", "activations.softsign", "ops.Softsign")
CASES = usual() | BENDS
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"torch": ("images",)}
