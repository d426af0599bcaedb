"""in_training: one value in training, another in prediction.

Shape    x, y of one shape  ->  z of that shape: x in training, y in prediction

Laws     in training nothing flows back to y, in prediction nothing to x

Traps    torch   asks its own `training`: eval() on the net is heard by each module of it
         keras   no stock layer tells the two apart: Dropout on a one gives 0 or 2 in training, and 1 in prediction
         onnx    predicts alone: y; what x alone needs is left out of the file
"""

from __future__ import annotations

from typing import Any

from bakeoff.ops._elementwise import Attributes
from bakeoff.ops._page import Case, Mode, Scope
from bakeoff.schemas import Array


def truth(mode: Mode, a: Attributes, x: Array, y: Array) -> Array:
    return x if mode.train else y


def to_torch(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
    return scope.helper(scope.own.InTraining(), x, y, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
    ops = scope.lib.ops
    one = ops.ones_like(y[(slice(0, 1),) * len(y.shape)])
    told = scope.helper(scope.lib.layers.Dropout(0.5, name=scope.name), one, suffix="")
    return ops.where(ops.equal(told, 1), y, x)


def to_onnx(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
    return scope.emit("Identity", [y])


CASES = {
    "predict": Case(((2, 3, 4, 5), (2, 3, 4, 5)), Attributes()),
    "train": Case(((2, 3, 4, 5), (2, 3, 4, 5)), Attributes(), train=True),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
SHOWN = {"torch": ("train",), "keras": ("train", "predict"), "onnx": ("predict",)}
