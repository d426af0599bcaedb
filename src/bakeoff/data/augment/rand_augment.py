"""RandAugment: some random changes of one magnitude, one after the other (Cubuk et al., 2019, arXiv:1909.13719)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._named import change, draw, strengths
from bakeoff.data.augment._settings import number

STAGE = "pixels"
# at magnitude 30; translations as shares of the side
MOST = strengths(shear=0.3, translate=150 / 331, rotate=30.0, enhance=0.9, posterize=4.0, solarize=256.0)


@dataclass(frozen=True)
class Settings:
    """`changes` of each image, and their `magnitude`, 0 to 30."""

    changes: int = 2
    magnitude: float = 9.0

    def __post_init__(self) -> None:
        number("rand_augment.changes", self.changes, 0, 20)
        number("rand_augment.magnitude", self.magnitude, 0, 30)


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), changed."""
    for _ in range(int(settings.changes)):
        pixels = change(pixels, *draw(MOST, rng, settings.magnitude / 30))
    return pixels
