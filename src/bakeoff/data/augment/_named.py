"""The named changes that RandAugment and TrivialAugment choose from, each with one strength.

Names, directions and meanings as in torchvision's `RandAugment` and `TrivialAugmentWide`; edges take the colour of the
border.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.augment._geometry import moved, to_image, to_pixels

Pixels = NDArray[np.uint8]
SIGNED = frozenset(
    ["shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color", "contrast", "sharpness"]
)


def change(pixels: Pixels, name: str, strength: float) -> Pixels:
    """An image, (H, W, C), changed; `strength` in the unit of the change, negative for the other direction."""
    return _CHANGES[name](pixels, strength)


def _enhanced(kind: str) -> Callable[[Pixels, float], Pixels]:
    def apply(pixels: Pixels, strength: float) -> Pixels:
        from PIL import ImageEnhance

        enhance = getattr(ImageEnhance, kind)(to_image(pixels))
        return to_pixels(enhance.enhance(1.0 + strength))

    return apply


def _operated(kind: str, convert: Callable[[float], int] | None = None) -> Callable[[Pixels, float], Pixels]:
    def apply(pixels: Pixels, strength: float) -> Pixels:
        from PIL import ImageOps

        arguments = () if convert is None else (convert(strength),)
        return to_pixels(getattr(ImageOps, kind)(to_image(pixels), *arguments))

    return apply


_CHANGES: Mapping[str, Callable[[Pixels, float], Pixels]] = {
    "identity": lambda pixels, _: pixels,
    "shear_x": lambda pixels, tangent: moved(pixels, shear=(tangent, 0)),
    "shear_y": lambda pixels, tangent: moved(pixels, shear=(0, tangent)),
    "translate_x": lambda pixels, share: moved(pixels, shift=(share, 0)),
    "translate_y": lambda pixels, share: moved(pixels, shift=(0, share)),
    "rotate": lambda pixels, degrees: moved(pixels, degrees=degrees),
    "brightness": _enhanced("Brightness"),
    "color": _enhanced("Color"),
    "contrast": _enhanced("Contrast"),
    "sharpness": _enhanced("Sharpness"),
    "posterize": _operated("posterize", lambda lost: max(1, 8 - round(lost))),
    "solarize": _operated("solarize", lambda below: 256 - round(below)),
    "autocontrast": _operated("autocontrast"),
    "equalize": _operated("equalize"),
}


def strengths(
    *, shear: float, translate: float, rotate: float, enhance: float, posterize: float, solarize: float
) -> dict[str, float]:
    """The most of each change, in its own unit."""
    enhanced = dict.fromkeys(("brightness", "color", "contrast", "sharpness"), enhance)
    moved_by = {"shear_x": shear, "shear_y": shear, "translate_x": translate, "translate_y": translate}
    whole = {"autocontrast": 0.0, "equalize": 0.0}
    return {
        "identity": 0.0,
        **moved_by,
        "rotate": rotate,
        **enhanced,
        "posterize": posterize,
        "solarize": solarize,
        **whole,
    }


def draw(ranges: Mapping[str, float], rng: np.random.Generator, share: float) -> tuple[str, Any]:
    """A change by name and its strength: `share` (0 to 1) of the most in `ranges`, in either direction."""
    names = tuple(ranges)
    name = names[int(rng.integers(len(names)))]
    sign = -1.0 if name in SIGNED and rng.random() < 0.5 else 1.0
    return name, sign * share * ranges[name]
