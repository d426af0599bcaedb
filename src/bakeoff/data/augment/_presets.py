"""Choices of operations by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "none": (),
    "light": (
        {"name": "random_resized_crop", "scale": (0.7, 1.0), "ratio": (0.85, 1.18)},
        {"name": "horizontal_flip"},
    ),
    "standard": (
        {"name": "random_resized_crop", "scale": (0.35, 1.0)},
        {"name": "horizontal_flip"},
        {"name": "color_jitter"},
    ),
    "strong": (
        {"name": "random_resized_crop", "scale": (0.2, 1.0)},
        {"name": "horizontal_flip"},
        {"name": "trivial_augment"},
        {"name": "random_erasing"},
        {"name": "mixup", "probability": 0.5},
        {"name": "cutmix", "probability": 0.5},
    ),
    "digits": ({"name": "affine"},),  # a mirrored or cut digit is another one, or none
}
