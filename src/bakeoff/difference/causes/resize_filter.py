"""The filter that resizes images: nearest, bilinear, bicubic, lanczos, box."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakeoff.difference.account import Account

STAGE, KEYS = "resize", ("input.filter",)
SAYS = "images are resized by the filter {a} on one side and {b} on the other"
FIX = {
    "torch": 'transforms.Resize(size, interpolation=InterpolationMode("{value}"))',
    "keras": 'keras.utils.load_img(path, target_size=size, interpolation="{value}")',
}


def guesses(a: Account) -> Iterable[dict[str, Any]]:
    return [{"input.filter": name} for name in ("nearest", "bilinear", "bicubic", "lanczos", "box")]
