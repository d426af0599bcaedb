"""maximum: the larger of two values, element by element.

Shape    x1, x2 (as NumPy broadcasts)  ->  y = max(x1, x2)

Laws     maximum(x, x) = x; order doesn't matter

Traps    ties    where both are equal torch and JAX give half the gradient to each, TensorFlow all of it to the first:
                 cases have none. A bound that is a number is `clamp`
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import Attributes, broadcasts, emits, function, operation
from bakeoff.ops._importers import torch_pairwise
from bakeoff.ops._importers_keras import keras_folded, keras_pairwise
from bakeoff.ops._page import Case, Mode
from bakeoff.schemas import Array

LAYOUT = "elementwise"
shape = broadcasts("maximum")


def truth(_: Mode, a: Attributes, x: Array, other: Array) -> Array:
    y: Array = np.maximum(x, other)
    return y


to_torch = function("maximum")
to_keras = operation("maximum")
to_onnx = emits("Max")
FROM_TORCH = dict.fromkeys(("aten.maximum", "aten.fmax"), torch_pairwise("maximum"))
FROM_KERAS = {"layers.Maximum": keras_folded("maximum"), "ops.Maximum": keras_pairwise("maximum")}
CASES = {
    "images": Case(((2, 3, 4, 5), (2, 3, 4, 5)), Attributes()),
    "a channel's number for each image": Case(((2, 3, 4, 5), (2, 1, 1, 5)), Attributes()),
    "the smaller one first": Case(((2, 1, 1, 5), (2, 3, 4, 5)), Attributes()),
    "vectors": Case(((3, 7), (3, 7)), Attributes()),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # one operation, rounded the same way everywhere (IEEE 754)
SHOWN = {"ties": ("images",)}
