"""reduce_sum: the sum over axes.

Shape    x, axes, keepdims  ->  y without these axes, or with 1 in their place

Laws     linear in x; axes one after the other give the same

Traps    axes    (1, 2) of (N, H, W, C) are (2, 3) of torch's (N, C, H, W); what is left keeps its order there
         onnx    axes are an input since opset 18, an attribute before
"""

from __future__ import annotations

from typing import Any

from bakeoff.ops._page import Case, Mode, roundings
from bakeoff.ops._reduction import Attributes, keras_reduced, lowered, reduces, torch_reduced
from bakeoff.schemas import Array

LAYOUT = "any"
shape = reduces("reduce_sum")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = x.sum(axis=a.axes, keepdims=a.keepdims)
    return y


to_torch, to_keras, to_onnx = lowered(torch="sum", keras="sum", onnx="ReduceSum")
FROM_TORCH = {"aten.sum": torch_reduced("reduce_sum")}
FROM_KERAS = keras_reduced("reduce_sum", "ops.Sum")
CASES = {
    "height and width": Case(((2, 3, 4, 5),), Attributes((1, 2))),
    "height and width, which stay as 1": Case(((2, 3, 4, 5),), Attributes((1, 2), True)),
    "rows alone": Case(((2, 3, 4, 5),), Attributes((1,))),
    "channels": Case(((2, 3, 4, 5),), Attributes((-1,), True)),
    "tokens": Case(((2, 5, 3),), Attributes((1,))),
}
TOLERANCE = roundings(12)
MUTATIONS: dict[str, Any] = {"axes": (2,), "keepdims": True}
SHOWN = {"axes": ("rows alone",), "onnx": ("channels",)}
