"""EfficientNet-lite0 with its ImageNet weights: the embedded default backbone; see `_efficientnet_lite`."""

from __future__ import annotations

from bakeoff.models import _efficientnet_lite as family

WEIGHTS = family.weights(
    0, "efficientnet-lite0-57934424.pth", "b54d932e06b85b62509cd3b71850b4ee0ec6e27daa717cc38023425c7c5bb528"
)
SIZE = family.Size(0, 1.0, 1.0, 224, WEIGHTS)
SUMMARY = "inverted residuals, 1,280 features, 4.7 million weights, pretrained on ImageNet: the embedded backbone"
SIGNATURE, STAGES = SIZE.signature, SIZE.stages
build = family.builder(SIZE, dropout=0.2)
