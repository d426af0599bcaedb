"""in_training: one value in training, another in prediction.

Shape    x, y of one shape  ->  z of that shape: x in training, y in prediction

Laws     in training nothing flows back to y, in prediction nothing to x

Traps    torch   asks its own `training`: eval() on the net is heard by each module of it
         keras   of its layers one tells the two apart and draws nothing: RandomPosterization to one bit makes 0 of a
                 one in training alone
         onnx    predicts alone: y; what x alone needs is left out of the file
Raised   from torch where training and prediction differ (graph/agree.py), from Keras by draw
"""

from __future__ import annotations

from typing import Any

from bakeoff.ops._elementwise import Attributes
from bakeoff.ops._page import Case, Mode, Scope
from bakeoff.schemas import Array

PREDICTS = 1


def truth(mode: Mode, a: Attributes, x: Array, y: Array) -> Array:
    return x if mode.train else y


def to_torch(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
    return scope.helper(scope.own.InTraining(), x, y, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
    ops, layers = scope.lib.ops, scope.lib.layers
    one = ops.ones_like(ops.reshape(y[(slice(0, 1),) * len(y.shape)], (1, 1, 1)))  # an image
    told = scope.helper(layers.RandomPosterization(1, value_range=(0, 255), name=scope.name), one, suffix="")
    return ops.where(ops.reshape(told, ()) > 0.5, y, x)


def to_onnx(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
    return scope.emit("Identity", [y])


CASES = {
    "predict": Case(((2, 3, 4, 5), (2, 3, 4, 5)), Attributes()),
    "train": Case(((2, 3, 4, 5), (2, 3, 4, 5)), Attributes(), train=True),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
SHOWN = {"torch": ("train",), "keras": ("train", "predict"), "onnx": ("predict",)}
