"""EfficientNet-lite2: deeper and wider; ImageNet weights by the extra `weights`; see `_efficientnet_lite`."""

from __future__ import annotations

from bakeoff.models import _efficientnet_lite as family

WEIGHTS = family.weights(
    2, "efficientnet-lite2-9656183e.pth", "df2c8ccc0b62f42959d6d1caa1221b93e19fe5f5fed6cb4c42ee38af82b016fc"
)
SIZE = family.Size(2, 1.1, 1.2, 260, WEIGHTS)
SUMMARY = "deeper and wider, 260 pixels, 1,280 features, 6.1 million weights; pretrained by the extra `weights`"
SIGNATURE, STAGES = SIZE.signature, SIZE.stages
build = family.builder(SIZE, dropout=0.3)
