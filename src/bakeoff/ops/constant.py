"""constant: an array that is not learned, used as a value: a mask, a grid of places, a table.

Shape    value (any)  ->  y of the same shape; no inputs

Traps    keras   a layer that is called on plain numbers runs at once and leaves the net: a small layer holds them as a
                 weight that is not trained, and no file lists them as text
         torch   a buffer of the net, under its own name
         dtype   floating-point numbers take the net's precision; integers and truth values stay
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, Mode, Scope, Slot
from bakeoff.schemas import Array

LAYOUT = "free"


@dataclass(frozen=True)
class Attributes:
    shape: tuple[int, ...]


def shape(a: Attributes) -> Shape:
    return a.shape


def parameters(a: Attributes) -> dict[str, Slot]:
    return {"value": Slot(a.shape, "constant")}


def truth(_: Mode, a: Attributes, *, value: Array) -> Array:
    return value


def to_torch(scope: Scope, a: Attributes) -> Any:
    return scope.parameter("value")


to_keras = to_onnx = to_torch

CASES: dict[str, Case] = {}  # it has no input: tests/frameworks runs it inside a net
TOLERANCE = {"float32": 0.0, "float64": 0.0}
MUTATIONS: dict[str, Any] = {}
