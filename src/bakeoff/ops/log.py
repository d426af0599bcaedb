"""log: the natural logarithm.

Shape    x  ->  y of the same shape, y = ln x, for x > 0

Laws     log(a b) = log(a) + log(b); log(1) = 0

Traps    range   -inf at 0 and NaN below, in all libraries; none warns
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bakeoff.ops._elementwise import computed, emits, function, operation, raised, usual
from bakeoff.ops._importers import affine
from bakeoff.ops._page import Call, roundings

truth = computed(np.log)
to_torch = function("log")
to_keras = operation("log")
to_onnx = emits("Log")
FROM_TORCH, FROM_KERAS = raised("log", "aten.log", "ops.Log")


def from_more_one(call: Call) -> Any:
    return call.emit("log", {}, affine(call, call["self"], shift=1.0))


def from_base(call: Call) -> Any:
    """Of base 2 and 10."""
    base = 2 if call.name.endswith("log2") else 10
    return affine(call, call.emit("log", {}, call["self"]), scale=1 / math.log(base))


FROM_TORCH |= {"aten.log1p": from_more_one, "aten.log2": from_base, "aten.log10": from_base}
CASES = usual(positive=True)
TOLERANCE = roundings(1)  # one function, correct to a few ulps in each library
SHOWN = {"range": ("images",)}
