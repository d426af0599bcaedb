"""How an image that isn't square becomes one: stretched, its middle cut out, or padded."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import differing_fit
from bakeoff.difference.causes import Account, Guesses
from bakeoff.difference.inputs import fits

STAGE, KEYS = "resize", ("input.fit", "input.resize_to")
SAYS = "an image that isn't square is fitted by {a} on one side and {b} on the other"
TORCH = "transforms.Resize((height, width)) to stretch; Resize(side), CenterCrop(size) to crop"
KERAS = "keras.utils.load_img(path, target_size=size, keep_aspect_ratio=...)  # False to stretch, True to crop"
suspect = differing_fit


def guesses(a: Account) -> Guesses:
    return [{"input.fit": f, "input.resize_to": to} for f, to in fits(a.settings.get("input.size", (224, 224)))]


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return _said(a), _said(b if b.sees("input.fit") else a.switched(changes))


def _said(one: Account) -> str:
    to = one.settings.get("input.resize_to")
    return f"{one.settings.get('input.fit')}{f' after {to}' if to else ''}"
