"""reduce_sum: the sum over axes.

Shape    x, axes, keepdims  ->  y without these axes, or with 1 in their place

Laws     linear in x; axes one after the other give the same

Traps    axes    (1, 2) of (N, H, W, C) are (2, 3) of torch's (N, C, H, W); what is left keeps its order there
         onnx    axes are an input since opset 18, an attribute before
"""

from __future__ import annotations

from bakeoff.ops import _reduction as reduction
from bakeoff.ops._page import roundings

LAYOUT = "any"
Attributes, CASES, MUTATIONS = reduction.Attributes, reduction.CASES, reduction.MUTATIONS
shape = reduction.reduces("reduce_sum")
truth, to_torch, to_keras, to_onnx = reduction.said(numpy="sum", torch="sum", keras="sum", onnx="ReduceSum")
FROM_TORCH = {"aten.sum": reduction.torch_reduced("reduce_sum")}
FROM_KERAS = reduction.keras_reduced("reduce_sum", "ops.Sum")
TOLERANCE = roundings(12)
SHOWN = {"axes": ("rows alone",), "onnx": ("channels",)}
