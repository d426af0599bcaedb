"""silu: x times its own sigmoid; also called swish.

Shape    x  ->  y of the same shape, y = x / (1 + exp(-x))

Laws     silu(x) - silu(-x) = x; y >= -0.2785

Traps    onnx    has no operator for it before opset 24: Sigmoid and Mul
         names   torch.nn.SiLU, keras.activations.silu and swish, tf.nn.silu: one function (beta = 1)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Attributes, activation, ends, module, raised, usual
from bakeoff.ops._page import Mode, Scope, roundings
from bakeoff.schemas import Array


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.asarray(x * (np.where(x < 0, e, np.ones((), x.dtype)) / (1 + e)))


to_torch = module("SiLU")
to_keras = activation("silu")


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Mul", [x, scope.emit("Sigmoid", [x])])


FROM_TORCH, FROM_KERAS = raised("silu", "aten.silu", "activations.silu", "ops.Silu")
CASES = usual() | ends()
TOLERANCE = roundings(1)  # sigmoid's few ulps, and a product
SHOWN = {"onnx": ("vectors",), "names": ("images",)}
