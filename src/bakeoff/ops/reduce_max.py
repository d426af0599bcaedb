"""reduce_max: the largest value over axes.

Shape    x, axes, keepdims  ->  y without these axes, or with 1 in their place

Laws     y occurs in x; reduce_max(x + c) = reduce_max(x) + c

Traps    axes    (1, 2) of (N, H, W, C) are (2, 3) of torch's (N, C, H, W); what is left keeps its order there
         onnx    axes are an input since opset 18, an attribute before
         torch   `max(dim)` has indices, too, and sends a tie's gradient to one element; `amax` shares it out as Keras
                 does
"""

from __future__ import annotations

from bakeoff.ops import _reduction as reduction

LAYOUT = "any"
Attributes, CASES, MUTATIONS = reduction.Attributes, reduction.CASES, reduction.MUTATIONS
shape = reduction.reduces("reduce_max")
truth, to_torch, to_keras, to_onnx = reduction.said(numpy="max", torch="amax", keras="max", onnx="ReduceMax")
FROM_TORCH = dict.fromkeys(("aten.max", "aten.amax"), reduction.torch_reduced("reduce_max", "maximum"))
FROM_KERAS = {
    **reduction.keras_pooled("reduce_max", "layers.GlobalMaxPooling1D", "layers.GlobalMaxPooling2D"),
    **reduction.keras_reduced("reduce_max", "ops.Max", "ops.Amax"),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # chosen, never computed: bit for bit
SHOWN = {"axes": ("rows alone",), "onnx": ("channels",), "torch": ("height and width",)}
