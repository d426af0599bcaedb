"""RandAugment: some random changes of one magnitude, one after the other (Cubuk et al., 2019, arXiv:1909.13719)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._named import change, draw
from bakeoff.data.augment._settings import number

STAGE = "pixels"
MOST = {  # at magnitude 30; translations as shares of the side
    "identity": 0.0,
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 150 / 331,
    "translate_y": 150 / 331,
    "rotate": 30.0,
    "brightness": 0.9,
    "color": 0.9,
    "contrast": 0.9,
    "sharpness": 0.9,
    "posterize": 4.0,
    "solarize": 256.0,
    "autocontrast": 0.0,
    "equalize": 0.0,
}


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
