"""reduce_max: the largest value over axes.

Shape    x, axes, keepdims  ->  y without these axes, or with 1 in their place

Laws     y occurs in x; reduce_max(x + c) = reduce_max(x) + c

Traps    axes    (1, 2) of (N, H, W, C) are (2, 3) of torch's (N, C, H, W); what is left keeps its order there
         onnx    axes are an input since opset 18, an attribute before
         torch   `max(dim)` has indices, too, and sends a tie's gradient to one element; `amax` shares it out as Keras
                 does
"""

from __future__ import annotations

from typing import Any

from bakeoff.ops._page import Case, Mode
from bakeoff.ops._reduction import Attributes, keras_pooled, keras_reduced, lowered, reduces, torch_reduced
from bakeoff.schemas import Array

LAYOUT = "any"
shape = reduces("reduce_max")


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    y: Array = x.max(axis=a.axes, keepdims=a.keepdims)
    return y


to_torch, to_keras, to_onnx = lowered(torch="amax", keras="max", onnx="ReduceMax")
FROM_TORCH = dict.fromkeys(("aten.max", "aten.amax"), torch_reduced("reduce_max", "maximum"))
FROM_KERAS = {
    **keras_pooled("reduce_max", "layers.GlobalMaxPooling1D", "layers.GlobalMaxPooling2D"),
    **keras_reduced("reduce_max", "ops.Max", "ops.Amax"),
}
CASES = {
    "height and width": Case(((2, 3, 4, 5),), Attributes((1, 2))),
    "height and width, which stay as 1": Case(((2, 3, 4, 5),), Attributes((1, 2), True)),
    "rows alone": Case(((2, 3, 4, 5),), Attributes((1,))),
    "channels": Case(((2, 3, 4, 5),), Attributes((-1,), True)),
    "tokens": Case(((2, 5, 3),), Attributes((1,))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, never computed: bit for bit
MUTATIONS: dict[str, Any] = {"axes": (2,), "keepdims": True}
SHOWN = {"axes": ("rows alone",), "onnx": ("channels",), "torch": ("height and width",)}
