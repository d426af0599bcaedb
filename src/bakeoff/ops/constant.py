"""constant: an array that is not learned, used as a value: a mask, a grid of places, a table.

Shape    value (any)  ->  y of the same shape; no inputs

Traps    keras   a layer that is called on plain numbers runs at once and leaves the net: a small layer holds them as a
                 weight that is not trained, and no file lists them as text
         torch   a buffer of the net, under its own name
         dtype   floating-point numbers take the net's precision; integers and truth values stay
Raised   by capture itself, for a tensor of the net that no call gives
"""

from __future__ import annotations

from bakeoff.ops._page import Slot
from bakeoff.ops.parameter import CASES, LAYOUT, TOLERANCE, Attributes, shape, to_keras, to_onnx, to_torch, truth

__all__ = ["CASES", "LAYOUT", "TOLERANCE", "Attributes", "shape", "to_keras", "to_onnx", "to_torch", "truth"]


def parameters(a: Attributes) -> dict[str, Slot]:
    return {"value": Slot(a.shape, "constant")}
