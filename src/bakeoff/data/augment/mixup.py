"""MixUp: each image of a batch is mixed with another one of it, and so are their labels (arXiv:1710.09412)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._settings import number

STAGE = "batch"


@dataclass(frozen=True)
class Settings:
    """`alpha` of the Beta distribution of the share; `probability` that a batch is mixed."""

    alpha: float = 0.2
    probability: float = 1.0

    def __post_init__(self) -> None:
        number("mixup.alpha", self.alpha, 1e-3)
        number("mixup.probability", self.probability, 0, 1)


def apply(
    images: NDArray[np.uint8], shares: NDArray[np.float32], rng: np.random.Generator, settings: Settings
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Images (N, H, W, C), rounded to uint8, and shares of the classes (N, classes), both mixed."""
    share, partner = np.float32(rng.beta(settings.alpha, settings.alpha)), rng.permutation(len(images))
    mixed = np.empty_like(images)
    for place, other in enumerate(partner.tolist()):  # one by one: a batch of floats would be four times as large
        mixed[place] = np.rint(share * images[place] + (1 - share) * images[other])
    return mixed, (share * shares + (1 - share) * shares[partner]).astype(np.float32)
