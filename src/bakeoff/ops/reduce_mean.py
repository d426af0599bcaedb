"""reduce_mean: the mean over axes.

Shape    x, axes, keepdims  ->  y without these axes, or with 1 in their place

Laws     linear in x; the mean of what is equal is that

Traps    axes    (1, 2) of (N, H, W, C) are (2, 3) of torch's (N, C, H, W); what is left keeps its order there
         onnx    axes are an input since opset 18, an attribute before
         keras   on JAX ops.mean computes in float32, unless its promotion table is mended (_keras/float64.py)
Raised   from torch by global_avg_pool, to which the mean of a whole image belongs
"""

from __future__ import annotations

from bakeoff.ops import _reduction as reduction
from bakeoff.ops._page import roundings

LAYOUT = "any"
Attributes, CASES, MUTATIONS = reduction.Attributes, reduction.CASES, reduction.MUTATIONS
shape = reduction.reduces("reduce_mean")
truth, to_torch, to_keras, to_onnx = reduction.said(numpy="mean", torch="mean", keras="mean", onnx="ReduceMean")
FROM_KERAS = {
    **reduction.keras_pooled("reduce_mean", "layers.GlobalAveragePooling1D"),
    **reduction.keras_reduced("reduce_mean", "ops.Mean"),
}
TOLERANCE = roundings(12)
SHOWN = {"axes": ("rows alone",), "onnx": ("channels",), "keras": ("height and width",)}
