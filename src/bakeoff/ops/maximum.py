"""maximum: the larger of two values, element by element.

Shape    x1, x2 (as NumPy broadcasts)  ->  y = max(x1, x2)

Laws     maximum(x, x) = x; order doesn't matter

Traps    ties    where both are equal torch and JAX give half the gradient to each, TensorFlow all of it to the first. A
                 bound that is a number is `clamp`
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops import _ties
from bakeoff.ops._elementwise import broadcasts, computed, emits, pairs
from bakeoff.ops._importers import torch_pairwise
from bakeoff.ops._importers_keras import keras_folded, keras_pairwise

Attributes = _ties.Attributes
shape = broadcasts("maximum")
truth = computed(np.maximum)
to_torch, to_keras = _ties.lowered("maximum")
to_onnx = emits("Max")
gradient = _ties.of_two(1)
FROM_TORCH = dict.fromkeys(("aten.maximum", "aten.fmax"), torch_pairwise("maximum"))
FROM_KERAS = {
    "layers.Maximum": keras_folded("maximum", ties=_ties.OF_KERAS),
    "ops.Maximum": keras_pairwise("maximum", ties=_ties.OF_KERAS),
}
CASES = pairs(told=Attributes()) | _ties.tied(Attributes("share"), Attributes("first"), inputs=2)
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # one operation, rounded the same way everywhere (IEEE 754)
MUTATIONS: dict[str, Any] = {"ties": "last"}
SHOWN = {"ties": ("ties, share", "ties, first")}
