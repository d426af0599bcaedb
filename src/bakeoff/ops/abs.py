"""abs: the size of x without its sign.

Shape    x  ->  y of the same shape, y = |x|

Laws     y >= 0; abs(-x) = abs(x)

Traps    ties    at 0 the slope of torch and TensorFlow is 0, half of each side's; that of JAX 1, as if 0 were above 0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops._elementwise import computed, emits, usual
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import Scope
from bakeoff.ops._ties import SHARES, bend, tied

truth = computed(np.abs)
gradient = bend(lambda a, x: np.sign(x) + (2 * SHARES[a.ties] - 1) * (x == 0))


@dataclass(frozen=True)
class Attributes:
    """The first of the two that tie at 0 is x, the second -x."""

    ties: Literal["share", "first"] = "share"


def to_torch(scope: Scope, a: Attributes, x: Any) -> Any:
    return scope.lib.abs(x) if a.ties == "share" else scope.lib.where(x < 0, -x, x)


def to_keras(scope: Scope, a: Attributes, x: Any) -> Any:
    ops = scope.lib.ops
    return x * ops.sign(x) if a.ties == "share" else ops.where(x < 0, -x, x)


to_onnx = emits("Abs")
FROM_TORCH = {"aten.abs": torch_unary("abs"), "aten.absolute": torch_unary("abs")}
FROM_KERAS = keras_unary("abs", "ops.Absolute", "ops.Abs", ties={"tensorflow": "share", "jax": "first"})
CASES = usual(told=Attributes()) | tied(Attributes("share"), Attributes("first"))
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, or rounded once: the same everywhere (IEEE 754)
MUTATIONS: dict[str, Any] = {"ties": "first"}
SHOWN = {"ties": ("ties, share", "ties, first")}
