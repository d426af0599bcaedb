"""parameter: a learned array that is used bare, as a token, a position or a layer scale.

Shape    value (any)  ->  y of the same shape; no inputs

Traps    torch   an nn.Parameter of the net itself, under its own name
         keras   has no bare weights: a small layer holds it
Raised   by capture itself, for a weight that a call reads as a value
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
    return {"value": Slot(a.shape)}


def truth(_: Mode, a: Attributes, *, value: Array) -> Array:
    return value


def to_torch(scope: Scope, a: Attributes) -> Any:
    return scope.parameter("value")


to_keras = to_onnx = to_torch

CASES: dict[str, Case] = {}  # it has no input: tests/graph runs it inside a net
TOLERANCE = {"float32": 0.0, "float64": 0.0}
