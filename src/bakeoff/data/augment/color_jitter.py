"""Brightness, contrast, saturation and hue, each by a random factor, in random order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._geometry import to_image, to_pixels
from bakeoff.data.augment._named import change
from bakeoff.data.augment._settings import number

STAGE = "pixels"


@dataclass(frozen=True)
class Settings:
    """The most, either way: `brightness`, `contrast`, `saturation` as shares, `hue` as a share of the circle."""

    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.02

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            number(f"color_jitter.{name}", getattr(self, name), 0, 1)
        number("color_jitter.hue", self.hue, 0, 0.5)


def apply(pixels: NDArray[np.uint8], rng: np.random.Generator, settings: Settings) -> NDArray[np.uint8]:
    """The picture, (H, W, C), in other light; of grey ones brightness and contrast alone."""
    order, draws = rng.permutation(4), rng.uniform(-1, 1, 4)
    for which in order.tolist():
        name, most = (
            ("brightness", settings.brightness),
            ("contrast", settings.contrast),
            ("color", settings.saturation),
            ("hue", settings.hue),
        )[which]
        if not most or (which >= 2 and pixels.shape[-1] == 1):
            continue
        strength = float(draws[which]) * most
        pixels = _hue(pixels, strength) if name == "hue" else change(pixels, name, strength)
    return pixels


def _hue(pixels: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    from PIL import Image

    hue, saturation, value = to_image(pixels).convert("HSV").split()
    turned = np.asarray(hue) + np.uint8(round(255 * share) % 256)  # a circle of 256
    return to_pixels(Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB"))
