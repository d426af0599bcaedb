"""A turn about the middle by a random angle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._geometry import moved
from bakeoff.data.augment._settings import number

STAGE = "pixels"


@dataclass(frozen=True)
class Settings:
    """`degrees`: the most, in either direction."""

    degrees: float = 15.0

    def __post_init__(self) -> None:
        number("rotation.degrees", self.degrees, 0, 180)


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), turned; corners take the colour of the border."""
    return moved(pixels, degrees=rng.uniform(-settings.degrees, settings.degrees))
