"""Moved by whole pixels: a window of the image's own size, cut at random from the image with a border around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._settings import number
from bakeoff.errors import UsageError

STAGE = "pixels"


@dataclass(frozen=True)
class Settings:
    """`pad`: width of the border in pixels, the most that the image is moved; the border mirrors the image."""

    pad: int = 4

    def __post_init__(self) -> None:
        number("random_crop.pad", self.pad, 0, 1024)
        if not isinstance(self.pad, int):
            raise UsageError(f"random_crop.pad is {self.pad!r}; expected a whole number of pixels.")


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The image, (H, W, C), moved; nothing is resampled, so small images stay as sharp as they were."""
    down, across = (int(step) for step in rng.integers(-settings.pad, settings.pad + 1, 2))
    rows, columns = (_mirrored(size, step) for size, step in zip(pixels.shape[:2], (down, across), strict=True))
    return pixels[rows[:, None], columns]


def _mirrored(size: int, step: int) -> NDArray[np.int64]:
    """Positions step, step + 1, ... in a row of `size`, reflected at both ends without repeating the last one."""
    period = max(2 * (size - 1), 1)
    places = np.abs(np.arange(step, step + size)) % period
    return np.minimum(places, period - places) if size > 1 else np.zeros(1, np.int64)
