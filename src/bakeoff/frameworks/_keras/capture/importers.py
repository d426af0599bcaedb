"""Who raises what: the FROM_KERAS of all pages in one table, and the layers that leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from bakeoff import ops
from bakeoff.errors import BakeoffError

_LAYERS = ("layers.Identity", "layers.InputLayer", "layers.ActivityRegularization")  # its term is the builder's matter
IDENTITY = frozenset((*_LAYERS, "activations.linear", "ops.Copy", "ops.Identity"))

_AUGMENTATION = """
    RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness RandomShear RandomSaturation
    RandomHue RandomSharpness RandomColorJitter RandomColorDegeneration RandomGrayscale RandomPosterization RandomInvert
    RandomErasing RandomGaussianBlur RandomPerspective RandomElasticTransform RandomApply RandAugment AugMix CutMix
    MixUp
"""
AUGMENTATION = frozenset(f"layers.{name}" for name in _AUGMENTATION.split())
"""Both act in training alone; in prediction they are the identity (Keras 3's documentation of each)."""


@cache
def table() -> dict[str, Callable[[Any], Any]]:
    """{"layers.Conv2D": importer, "ops.Relu": ..., "activations.relu": ...}."""
    found: dict[str, Callable[[Any], Any]] = {}
    owner: dict[str, str] = {}
    for name in ops.names():
        for key, importer in getattr(ops.page(name), "FROM_KERAS", {}).items():
            if key in found:
                raise BakeoffError(f"{key} is claimed by the pages {owner[key]} and {name}")
            found[key], owner[key] = importer, name
    return found
