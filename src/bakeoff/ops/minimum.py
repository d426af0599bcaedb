"""minimum: the smaller of two values, element by element.

Shape    x1, x2 (as NumPy broadcasts)  ->  y = min(x1, x2)

Laws     minimum(x, y) = -maximum(-x, -y)

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
shape = broadcasts("minimum")
truth = computed(np.minimum)
to_torch, to_keras = _ties.lowered("minimum")
to_onnx = emits("Min")
gradient = _ties.of_two(-1)
FROM_TORCH = dict.fromkeys(("aten.minimum", "aten.fmin"), torch_pairwise("minimum"))
FROM_KERAS = {
    "layers.Minimum": keras_folded("minimum", ties=_ties.OF_KERAS),
    "ops.Minimum": keras_pairwise("minimum", ties=_ties.OF_KERAS),
}
CASES = pairs(told=Attributes()) | _ties.tied(Attributes("share"), Attributes("first"), inputs=2)
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # one operation, rounded the same way everywhere (IEEE 754)
MUTATIONS: dict[str, Any] = {"ties": "last"}
SHOWN = {"ties": ("ties, share", "ties, first")}
