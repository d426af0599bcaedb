"""hardswish: x times its own hard_sigmoid.

Shape    x  ->  y of the same shape, y = x min(max(x + 3, 0), 6) / 6

Laws     y = 0 below -3 and x above 3; hardswish(x) - hardswish(-x) = x

Traps    keras   called hard_silu, with hard_swish as a second name
         onnx    HardSwish came with opset 14
         ties    at -3 and 3 the slope jumps: libraries take 0 and 1, the sides away from 0
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import activation, computed, emits, ends, module, raised, usual
from bakeoff.ops._page import roundings
from bakeoff.ops._ties import BENDS, bend

truth = computed(lambda x: x * (np.clip(x + 3, np.zeros((), x.dtype), np.asarray(6, x.dtype)) / 6))
gradient = bend(lambda _, x: np.where(x < 3, np.where(x > -3, (2 * x + 3) / 6, 0), 1))
to_torch = module("Hardswish")
to_keras = activation("hard_silu")
to_onnx = emits("HardSwish")
FROM_TORCH, FROM_KERAS = raised("hardswish", "aten.hardswish", "activations.hard_silu", "ops.HardSilu")
CASES = usual() | ends(4.0) | BENDS
TOLERANCE = roundings(1)  # hard_sigmoid's sum and quotient, and a product
SHOWN = {"keras": ("images",), "onnx": ("images",), "ties": ("where it bends",)}
