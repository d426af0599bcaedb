"""affine_channel: each channel times a number, plus a number; both are constants and not learned.

Shape    x (..., C), scale, offset (C,)  ->  y = x scale + offset

Laws     what a normalisation by known means and deviations is: scale = 1 / deviation, offset = -mean / deviation

Traps    keras   Normalization is this, with the deviation not below 1e-7 (keras.backend.epsilon), and Rescaling with
                 vectors; both hold them as settings and not as weights that training moves
         torch   timm and torchvision keep it outside the net, in the transforms of their data
Raised   by no call: it fits one net to what another gives (graph/together.py)
"""

from __future__ import annotations

from typing import Any

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._elementwise import Attributes, along_channels, usual
from bakeoff.ops._page import Mode, Native, Scope, Slot, roundings
from bakeoff.schemas import Array

LAYOUT = "any"


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    size = (fixed(x[-1], "affine_channel: the number of channels"),)
    return {"scale": Slot(size, "constant"), "offset": Slot(size, "constant")}


def truth(_: Mode, a: Attributes, x: Array, *, scale: Array, offset: Array) -> Array:
    y: Array = x * scale + offset
    return y


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    held = {slot: Native("value", "c -> c") for slot in ("scale", "offset")}  # bare: each under its own path
    return {"torch": held, "keras": held}


def _both(scope: Scope) -> list[Any]:
    return [along_channels(scope, scope.parameter(slot, "c -> c")) for slot in ("scale", "offset")]


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    scale, offset = _both(scope)
    return x * scale + offset


to_keras = to_torch


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    scale, offset = _both(scope)
    return scope.emit("Add", [scope.emit("Mul", [x, scale]), offset])


CASES = usual()
TOLERANCE = roundings(2)  # a product and a sum
SHOWN = {"keras": ("images",), "torch": ("vectors",)}
