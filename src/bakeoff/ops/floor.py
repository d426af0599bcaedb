"""floor: the largest whole number that isn't larger.

Shape    x  ->  y of the same shape

Laws     x - 1 < y <= x; nothing flows back; with uniform numbers floor(u + keep) is a mask, 1 with probability keep

Traps    rounding  where x is a hair below a whole number, a rounding of x decides
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, raised, usual

STOPS = True  # its slope is 0 wherever it has one
truth = computed(np.floor)
to_torch = function("floor")
to_keras = operation("floor")
to_onnx = emits("Floor")
FROM_TORCH, FROM_KERAS = raised("floor", "aten.floor", "ops.Floor")
CASES = usual()
TOLERANCE = {"float32": 0.0, "float64": 0.0}
SHOWN = {"rounding": ("vectors",)}
