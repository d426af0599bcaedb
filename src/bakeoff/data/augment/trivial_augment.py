"""TrivialAugment (wide): one random change of random strength, nothing to tune (arXiv:2103.10158)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._named import change, draw

STAGE = "pixels"
BINS = 31
MOST = {  # translations as shares of the side: 32 of 224 pixels
    "identity": 0.0,
    "shear_x": 0.99,
    "shear_y": 0.99,
    "translate_x": 32 / 224,
    "translate_y": 32 / 224,
    "rotate": 135.0,
    "brightness": 0.99,
    "color": 0.99,
    "contrast": 0.99,
    "sharpness": 0.99,
    "posterize": 6.0,
    "solarize": 256.0,
    "autocontrast": 0.0,
    "equalize": 0.0,
}


@dataclass(frozen=True)
class Settings:
    """None."""


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), changed."""
    share = int(rng.integers(BINS)) / (BINS - 1)
    return change(pixels, *draw(MOST, rng, share))
