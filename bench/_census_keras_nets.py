"""The models of census_keras.py: keras.applications, and the nets of tests/frameworks/keras_nets.py."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import keras

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "frameworks"))
from keras_nets import NETS

SIDE = 64  # at 32 the last maps are of one cell, and a deep net of random weights is chaos
SIDES = {"InceptionV3": 96, "InceptionResNetV2": 96, "Xception": 96, "EfficientNet": 96}
PIXELS = ("EfficientNet", "ConvNeXt", "MobileNetV3")  # preprocessing inside the model: it takes 0 to 255
APPLICATIONS = tuple(sorted(name for name, value in vars(keras.applications).items() if inspect.isfunction(value)))


def names() -> list[str]:
    return [*APPLICATIONS, *NETS]


def make(name: str) -> tuple[Any, tuple[float, float]]:
    """A model with fresh weights, and the range of its images' numbers. `NAME:free` has a free input size."""
    base, _, form = name.partition(":")
    if base not in APPLICATIONS:
        return NETS[base]()
    limits = (0.0, 255.0) if base.startswith(PIXELS) else (-1.0, 1.0)
    build = getattr(keras.applications, base)
    if form == "free":
        return build(weights=None, input_shape=(None, None, 3), include_top=False, pooling="avg"), limits
    side = next((side for head, side in SIDES.items() if base.startswith(head)), SIDE)
    return build(weights=None, input_shape=(side, side, 3)), limits
