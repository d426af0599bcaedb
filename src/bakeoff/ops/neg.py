"""neg: x with the other sign.

Shape    x  ->  y of the same shape, y = -x

Laws     neg(neg(x)) = x

Traps    rounding  none: one bit is turned
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, raised, usual

truth = computed(np.negative)
to_torch = function("neg")
to_keras = operation("negative")
to_onnx = emits("Neg")
FROM_TORCH, FROM_KERAS = raised("neg", "aten.neg", "aten.negative", "ops.Negative")
CASES = usual()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, or rounded once: the same everywhere (IEEE 754)
SHOWN = {"rounding": ("images",)}
