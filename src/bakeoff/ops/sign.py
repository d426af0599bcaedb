"""sign: 1 where x is above 0, -1 where it is below, 0 at 0.

Shape    x  ->  y of the same shape

Laws     x = sign(x) |x|; sign(-x) = -sign(x); nothing flows back

Traps    zero    0 in all libraries, not 1; LPPool and straight-through weights rest on it
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, raised, usual

STOPS = True  # its slope is 0 wherever it has one
truth = computed(np.sign)
to_torch = function("sign")
to_keras = operation("sign")
to_onnx = emits("Sign")
FROM_TORCH, FROM_KERAS = raised("sign", "aten.sign", "ops.Sign")
CASES = usual()
TOLERANCE = {"float32": 0.0, "float64": 0.0}
SHOWN = {"zero": ("vectors",)}
