"""Left and right exchanged, in a share of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._settings import number

STAGE = "pixels"
VIEWS = 2  # all that can come out: the image, and its mirror image


@dataclass(frozen=True)
class Settings:
    """`probability` of a flip."""

    NAME: ClassVar[str] = "horizontal_flip"
    probability: float = 0.5

    def __post_init__(self) -> None:
        number(f"{self.NAME}.probability", self.probability, 0, 1)


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), or its mirror image."""
    return view(pixels, choose(rng, settings))


def choose(rng: np.random.Generator, settings: Settings) -> int:
    """1 for a flip."""
    return int(rng.random() < settings.probability)


def view(pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """One of the `VIEWS`."""
    return pixels[:, ::-1] if number else pixels
