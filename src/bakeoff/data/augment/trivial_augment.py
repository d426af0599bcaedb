"""TrivialAugment (wide): one random change of random strength, nothing to tune (arXiv:2103.10158)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._named import change, draw, strengths

STAGE = "pixels"
BINS = 31
# translations as shares of the side: 32 of 224 pixels
MOST = strengths(shear=0.99, translate=32 / 224, rotate=135.0, enhance=0.99, posterize=6.0, solarize=256.0)


@dataclass(frozen=True)
class Settings:
    """None."""


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), changed."""
    share = int(rng.integers(BINS)) / (BINS - 1)
    return change(pixels, *draw(MOST, rng, share))
