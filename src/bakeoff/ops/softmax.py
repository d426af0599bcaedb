"""softmax: positive numbers that sum to 1 along an axis, in proportion to the exponentials.

Shape    x  ->  y of the same shape, y = exp(x - max x) / sum exp(x - max x) along `axis`

Laws     softmax(x + c) = softmax(x); sums to 1

Traps    loss    a net that ends in it should be trained from its logits: softmax_cross_entropy takes them; Keras's
                 cross-entropy of probabilities clips at 1e-7
         keras   many example nets put it into the last dense layer, torch's never do
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
    e = np.exp(x - x.max(a.axis, keepdims=True))
    return np.asarray(e / e.sum(a.axis, keepdims=True))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if scope.mixed:
        return scope.lib.nn.functional.softmax(x, scope.axis(a.axis), dtype=getattr(scope.lib, scope.dtype))
    return scope.helper(scope.lib.nn.Softmax(scope.axis(a.axis)), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    settings = {"dtype": scope.dtype} if scope.mixed else {}
    return scope.helper(scope.lib.layers.Softmax(scope.axis(a.axis), name=scope.name, **settings), x, suffix="")


to_onnx = emits_along("Softmax")
FROM_TORCH = dict.fromkeys(("aten.softmax", "aten._softmax"), torch_along("softmax"))
FROM_KERAS = {
    **keras_fixed("softmax", "activations.softmax", axis=-1),
    **keras_along("softmax", "layers.Softmax", "ops.Softmax"),
}
CASES = {
    "classes": Case(((3, 7),), Attributes()),
    "channels of an image": Case(((2, 3, 4, 5),), Attributes()),
    "rows of an image": Case(((2, 3, 4, 5),), Attributes(1)),
}
TOLERANCE = roundings(7)
MUTATIONS: dict[str, Any] = {"axis": 2}
SHOWN = {"keras": ("classes",), "axis": ("channels of an image",)}
