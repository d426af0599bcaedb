"""Dark and light exchanged, in a share of the images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._settings import number

STAGE = "pixels"


@dataclass(frozen=True)
class Settings:
    """`probability` of an inversion."""

    probability: float = 0.5

    def __post_init__(self) -> None:
        number("inverted.probability", self.probability, 0, 1)


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), or its negative."""
    return 255 - pixels if rng.random() < settings.probability else pixels
