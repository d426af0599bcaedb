"""Brightness, contrast, saturation and hue, each by a random factor, in random order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._geometry import to_image, to_pixels
from bakeoff.data.augment._settings import number

STAGE = "pixels"
LUMA = np.array([0.299, 0.587, 0.114])
YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


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
    """The image, (H, W, C), in other light; of grey ones brightness and contrast alone."""
    order, (brightness, contrast, saturation, hue) = rng.permutation(4), rng.uniform(-1, 1, 4)
    some = pixels[::4, ::4].mean(axis=(0, 1))  # every pixel would take longer than all the rest
    grey = float(some @ LUMA if len(some) == 3 else some[0])
    steps = (
        _scaled(1 + brightness * settings.brightness),
        _blended(1 + contrast * settings.contrast, grey),
        _saturated(1 + saturation * settings.saturation),
        _turned(2 * math.pi * hue * settings.hue),
    )
    whole = np.eye(4)
    for which in order.tolist():
        if pixels.shape[-1] == 3 or which < 2:
            whole = steps[which] @ whole
    if pixels.shape[-1] == 1:
        values = np.arange(256) * whole[0, 0] + whole[0, 3]
        table: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        return table[pixels]
    return to_pixels(to_image(pixels).convert("RGB", tuple(whole[:3].reshape(-1).tolist())))


# Each change is a matrix on (red, green, blue, 1), so that all of them cost one pass and are cut to 0..255 once.


def _scaled(factor: float) -> NDArray[np.float64]:
    return np.diag([factor, factor, factor, 1.0])


def _blended(factor: float, grey: float) -> NDArray[np.float64]:
    """Towards or away from a grey: the mean of the image as it came, of every fourth row and column."""
    matrix = _scaled(factor)
    matrix[:3, 3] = (1 - factor) * grey
    return matrix


def _saturated(factor: float) -> NDArray[np.float64]:
    """Towards or away from each pixel's own grey."""
    matrix = np.eye(4)
    matrix[:3, :3] = factor * np.eye(3) + (1 - factor) * LUMA
    return matrix


def _turned(angle: float) -> NDArray[np.float64]:
    """Colours turned about the axis of greys, in YIQ: greys and brightness stay."""
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    matrix = np.eye(4)
    matrix[:3, :3] = np.linalg.inv(YIQ) @ turn @ YIQ
    return matrix
