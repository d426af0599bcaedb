"""EfficientNet-lite1: deeper; ImageNet weights by the extra `weights`; see `_efficientnet_lite`."""

from __future__ import annotations

from bakeoff.models import _efficientnet_lite as family

WEIGHTS = family.weights(
    1, "efficientnet-lite1-77cc7160.pth", "8d6e8e64dba619d8d6e939e29ef1ca3331472c0b07ddf47f90bf8608f53ab41c"
)
SIZE = family.Size(1, 1.0, 1.1, 240, WEIGHTS)
SUMMARY = "deeper, 240 pixels, 1,280 features, 5.4 million weights; pretrained by the extra `weights`"
SIGNATURE, STAGES = SIZE.signature, SIZE.stages
build = family.builder(SIZE, dropout=0.2)
