"""Turned, moved, enlarged and sheared a little, all in one resampling: what handwriting does by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._geometry import moved
from bakeoff.data.augment._settings import number, span

STAGE = "pixels"


@dataclass(frozen=True)
class Settings:
    """`degrees` and `shear` (degrees), `shift` (share of the side): the most, either way. `scale`: least and most."""

    degrees: float = 10.0
    shift: float = 0.08
    scale: tuple[float, float] = (0.9, 1.1)
    shear: float = 5.0

    def __post_init__(self) -> None:
        number("affine.degrees", self.degrees, 0, 180)
        number("affine.shift", self.shift, 0, 1)
        number("affine.shear", self.shear, 0, 45)
        object.__setattr__(self, "scale", span("affine.scale", self.scale, 0.1, 10))


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), moved; what comes in takes the colour of the border."""
    degrees, across, down, shear = rng.uniform(-1, 1, 4)
    return moved(
        pixels,
        degrees=degrees * settings.degrees,
        shift=(across * settings.shift, down * settings.shift),
        shear=(math.tan(math.radians(shear * settings.shear)), 0.0),
        scale=rng.uniform(*settings.scale),
    )
