"""reduce_max: the largest value over axes.

Shape    x, axes, keepdims  ->  y without these axes, or with 1 in their place

Laws     y occurs in x; reduce_max(x + c) = reduce_max(x) + c

Traps    axes    (1, 2) of (N, H, W, C) are (2, 3) of torch's (N, C, H, W); what is left keeps its order there
         onnx    axes are an input since opset 18, an attribute before
         ties    torch's `max(dim)`, which has indices, too, and its adaptive pooling send the gradient to the first,
                 row by row; its `amax` and Keras share it out; whom `topk(1)` takes, below 64 values, is its kernel's
"""

from __future__ import annotations

from typing import Any

from bakeoff.ops import _extreme
from bakeoff.ops import _reduction as reduction

LAYOUT = "any"
Attributes, CASES = _extreme.Attributes, _extreme.CASES
shape = reduction.reduces("reduce_max")
gradient, (truth, to_torch, to_keras, to_onnx) = _extreme.gradient("max"), _extreme.said("max")
FROM_TORCH = dict.fromkeys(("aten.max", "aten.amax"), _extreme.from_torch("reduce_max", "maximum"))
FROM_TORCH["aten.topk"] = _extreme.of_one
FROM_KERAS = {
    **reduction.keras_pooled("reduce_max", "layers.GlobalMaxPooling1D", "layers.GlobalMaxPooling2D"),
    **reduction.keras_reduced("reduce_max", "ops.Max", "ops.Amax"),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, never computed: bit for bit
MUTATIONS: dict[str, Any] = {**reduction.MUTATIONS, "ties": "first"}
SHOWN = {"axes": ("rows alone",), "onnx": ("channels",), "ties": ("ties, share", "ties, first")}
