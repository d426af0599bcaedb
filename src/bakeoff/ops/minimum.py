"""minimum: the smaller of two values, element by element.

Shape    x1, x2 (as NumPy broadcasts)  ->  y = min(x1, x2)

Laws     minimum(x, y) = -maximum(-x, -y)

Traps    ties    where both are equal torch and JAX give half the gradient to each, TensorFlow all of it to the first:
                 cases have none. A bound that is a number is `clamp`
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import broadcasts, computed, emits, function, operation, pairs
from bakeoff.ops._importers import torch_pairwise
from bakeoff.ops._importers_keras import keras_folded, keras_pairwise

LAYOUT = "elementwise"
shape = broadcasts("minimum")
truth = computed(np.minimum)
to_torch = function("minimum")
to_keras = operation("minimum")
to_onnx = emits("Min")
FROM_TORCH = dict.fromkeys(("aten.minimum", "aten.fmin"), torch_pairwise("minimum"))
FROM_KERAS = {"layers.Minimum": keras_folded("minimum"), "ops.Minimum": keras_pairwise("minimum")}
CASES = pairs()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # one operation, rounded the same way everywhere (IEEE 754)
SHOWN = {"ties": ("images",)}
