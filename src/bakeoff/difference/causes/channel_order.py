"""The order of the colours: OpenCV and the caffe weights of Keras have blue first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakeoff.difference.account import Account

STAGE, KEYS = "channels", ("input.order",)
SAYS = "colours come as {a} on one side and {b} on the other"
FIX = {
    "torch": "cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # {value} is wanted; or image[..., ::-1].copy()",
    "keras": "image[..., ::-1]  # {value} is wanted",
}


def guesses(a: Account) -> Iterable[dict[str, Any]]:
    if a.settings.get("input.channels", 3) != 3:
        return []
    return [{"input.order": "RGB" if a.settings.get("input.order") == "BGR" else "BGR"}]
