"""sqrt: the square root.

Shape    x  ->  y of the same shape, y = sqrt(x), for x >= 0

Laws     sqrt(x)^2 = x

Traps    slope   at 0 it is infinite in torch, TensorFlow and JAX: times an inner slope of 0 that is NaN. Norms of x are
                 `reduce_norm` and not a root of a sum
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, raised, usual
from bakeoff.ops._page import roundings

truth = computed(np.sqrt)
to_torch = function("sqrt")
to_keras = operation("sqrt")
to_onnx = emits("Sqrt")
FROM_TORCH, FROM_KERAS = raised("sqrt", "aten.sqrt", "ops.Sqrt")
CASES = usual(positive=True)
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"slope": ("images",)}
