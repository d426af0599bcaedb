"""maximum: the larger of two values, element by element.

Shape    x1, x2 (as NumPy broadcasts)  ->  y = max(x1, x2)

Laws     maximum(x, x) = x; order doesn't matter

Traps    ties    where both are equal torch and JAX give half the gradient to each, TensorFlow all of it to the first:
                 cases have none. A bound that is a number is `clamp`
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import broadcasts, computed, emits, function, operation, pairs
from bakeoff.ops._importers import torch_pairwise
from bakeoff.ops._importers_keras import keras_folded, keras_pairwise

LAYOUT = "elementwise"
shape = broadcasts("maximum")
truth = computed(np.maximum)
to_torch = function("maximum")
to_keras = operation("maximum")
to_onnx = emits("Max")
FROM_TORCH = dict.fromkeys(("aten.maximum", "aten.fmax"), torch_pairwise("maximum"))
FROM_KERAS = {"layers.Maximum": keras_folded("maximum"), "ops.Maximum": keras_pairwise("maximum")}
CASES = pairs()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # one operation, rounded the same way everywhere (IEEE 754)
SHOWN = {"ties": ("images",)}
