"""A random rectangle of the image gets its mean colour (Zhong et al., 2017, arXiv:1708.04896)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._settings import number, span

STAGE = "pixels"
TRIES = 10


@dataclass(frozen=True)
class Settings:
    """`probability` of erasing; `scale`: share of the area, `ratio`: width / height, each least and most."""

    probability: float = 0.25
    scale: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)

    def __post_init__(self) -> None:
        number("random_erasing.probability", self.probability, 0, 1)
        object.__setattr__(self, "scale", span("random_erasing.scale", self.scale, 0, 1))
        object.__setattr__(self, "ratio", span("random_erasing.ratio", self.ratio, 0.01, 100.0))


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), as it is, or a copy with a rectangle erased."""
    if rng.random() >= settings.probability:
        return pixels
    height, width = pixels.shape[:2]
    for _ in range(TRIES):
        area = height * width * rng.uniform(*settings.scale)
        ratio = math.exp(rng.uniform(math.log(settings.ratio[0]), math.log(settings.ratio[1])))
        down, across = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < down <= height and 0 < across <= width:
            top, left = int(rng.integers(height - down + 1)), int(rng.integers(width - across + 1))
            erased = pixels.copy()
            erased[top : top + down, left : left + across] = np.rint(pixels[::4, ::4].mean(axis=(0, 1))).astype(
                np.uint8
            )
            return erased
    return pixels
