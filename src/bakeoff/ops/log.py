"""log: the natural logarithm.

Shape    x  ->  y of the same shape, y = ln x, for x > 0

Laws     log(a b) = log(a) + log(b); log(1) = 0

Traps    range   -inf at 0 and NaN below, in all libraries; none warns
"""

from __future__ import annotations

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, same_shape, usual
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import roundings

LAYOUT = "elementwise"
shape = same_shape
truth = computed(np.log)
to_torch = function("log")
to_keras = operation("log")
to_onnx = emits("Log")
FROM_TORCH = {"aten.log": torch_unary("log")}
FROM_KERAS = keras_unary("log", "ops.Log")
CASES = usual(positive=True)
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"range": ("images",)}
