"""A part of the image, of random size, proportions and place, at the full size of the input."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bakeoff.data.augment._settings import number, span

STAGE = "crop"
TRIES = 10


@dataclass(frozen=True)
class Settings:
    """`scale`: share of the area, least and most. `ratio`: width / height, least and most."""

    scale: tuple[float, float] = (0.35, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", span("random_resized_crop.scale", self.scale, 0.01, 1.0))
        object.__setattr__(self, "ratio", span("random_resized_crop.ratio", self.ratio, 0.01, 100.0))
        number("random_resized_crop.scale", self.scale[1], 0.01, 1.0)


def box(size: tuple[int, int], rng: np.random.Generator, settings: Settings) -> tuple[float, float, float, float]:
    """(top, left, height, width), shares of the image. Inception's rule, as in torchvision.

    Not rounded to pixels. Where ten draws don't fit, the middle with the nearest ratio that does.
    """
    full, (height, width) = size[1] / size[0], (1.0, 1.0)
    for _ in range(TRIES):
        area = rng.uniform(*settings.scale)
        ratio = math.exp(rng.uniform(math.log(settings.ratio[0]), math.log(settings.ratio[1])))
        width, height = math.sqrt(area * ratio / full), math.sqrt(area * full / ratio)
        if width <= 1 and height <= 1:
            return float(rng.uniform(0, 1 - height)), float(rng.uniform(0, 1 - width)), height, width
    ratio = min(max(full, settings.ratio[0]), settings.ratio[1])
    width, height = min(1.0, ratio / full), min(1.0, full / ratio)
    return (1 - height) / 2, (1 - width) / 2, height, width
