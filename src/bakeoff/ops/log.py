"""log: the natural logarithm.

Shape    x  ->  y of the same shape, y = ln x, for x > 0

Laws     log(a b) = log(a) + log(b); log(1) = 0

Traps    range   -inf at 0 and NaN below, in all libraries; none warns
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, raised, usual
from bakeoff.ops._page import roundings

truth = computed(np.log)
to_torch = function("log")
to_keras = operation("log")
to_onnx = emits("Log")
FROM_TORCH, FROM_KERAS = raised("log", "aten.log", "ops.Log")
CASES = usual(positive=True)
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"range": ("images",)}
