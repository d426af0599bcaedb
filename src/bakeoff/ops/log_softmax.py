"""log_softmax: the logarithm of softmax.

Shape    x  ->  y of the same shape, y = x - max x - ln sum exp(x - max x) along `axis`

Laws     log_softmax(x + c) = log_softmax(x); the sum of exp(y) is 1

Traps    range   log of softmax is -inf where softmax underflows; this is not
         axis    the last of (N, H, W, C) is the second of torch's (N, C, H, W)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Along as Attributes
from bakeoff.ops._elementwise import emits_along
from bakeoff.ops._importers import torch_along
from bakeoff.ops._importers_keras import keras_along, keras_fixed
from bakeoff.ops._page import Case, Mode, Scope, roundings
from bakeoff.schemas import Array


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    shifted = x - x.max(a.axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(a.axis, keepdims=True)))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if scope.mixed:
        return scope.lib.nn.functional.log_softmax(x, scope.axis(a.axis), dtype=getattr(scope.lib, scope.dtype))
    return scope.helper(scope.lib.nn.LogSoftmax(scope.axis(a.axis)), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    x = scope.lib.ops.cast(x, scope.dtype) if scope.mixed else x
    return scope.lib.ops.log_softmax(x, axis=scope.axis(a.axis))


to_onnx = emits_along("LogSoftmax")
FROM_TORCH = dict.fromkeys(("aten.log_softmax", "aten._log_softmax"), torch_along("log_softmax"))
FROM_KERAS = {
    **keras_fixed("log_softmax", "activations.log_softmax", axis=-1),
    **keras_along("log_softmax", "ops.LogSoftmax"),
}
CASES = {
    "classes": Case(((3, 7),), Attributes()),
    "rows of an image": Case(((2, 3, 4, 5),), Attributes(1)),
    "far apart": Case(((3, 7),), Attributes(), scale=200.0),
}
TOLERANCE = roundings(7)
MUTATIONS: dict[str, Any] = {"axis": 2}
SHOWN = {"range": ("far apart",), "axis": ("rows of an image",)}
