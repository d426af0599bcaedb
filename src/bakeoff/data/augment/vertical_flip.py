"""Top and bottom exchanged, in a share of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment import horizontal_flip

STAGE, VIEWS, choose = horizontal_flip.STAGE, horizontal_flip.VIEWS, horizontal_flip.choose


@dataclass(frozen=True)
class Settings(horizontal_flip.Settings):
    """`probability` of a flip."""

    NAME: ClassVar[str] = "vertical_flip"


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), or its mirror image."""
    return view(pixels, choose(rng, settings))


def view(pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """One of the `VIEWS`."""
    return pixels[::-1] if number else pixels
