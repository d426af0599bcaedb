"""CutMix: a rectangle of each image comes from another one of the batch; labels by area (arXiv:1905.04899)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._settings import number

STAGE = "batch"


@dataclass(frozen=True)
class Settings:
    """`alpha` of the Beta distribution of the share; `probability` that a batch is mixed."""

    alpha: float = 1.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        number("cutmix.alpha", self.alpha, 1e-3)
        number("cutmix.probability", self.probability, 0, 1)


def apply(
    images: NDArray[np.uint8], shares: NDArray[np.float32], rng: np.random.Generator, settings: Settings
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Images (N, H, W, C) and shares of the classes (N, classes), both mixed; the shares are those of the pixels."""
    height, width = images.shape[1:3]
    side, partner = math.sqrt(1 - rng.beta(settings.alpha, settings.alpha)), rng.permutation(len(images))
    y, x = int(rng.integers(height)), int(rng.integers(width))
    top, bottom = (max(0, min(height, y + round(sign * side * height / 2))) for sign in (-1, 1))
    left, right = (max(0, min(width, x + round(sign * side * width / 2))) for sign in (-1, 1))
    mixed = images.copy()
    mixed[:, top:bottom, left:right] = images[partner, top:bottom, left:right]
    share = np.float32(1 - (bottom - top) * (right - left) / (height * width))
    return mixed, (share * shares + (1 - share) * shares[partner]).astype(np.float32)
