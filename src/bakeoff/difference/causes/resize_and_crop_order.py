"""What comes first, the resize or the cut: the middle of a small image, or a small image of the middle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakeoff.difference.account import Account

STAGE, KEYS = "resize", ("input.sequence",)
SAYS = "the order is {a} on one side and {b} on the other"
FIX = {
    "torch": "transforms.Compose([...])  # {value}",
    "keras": "keras.Sequential([Resizing(...), CenterCrop(...)])  # {value}",
}


def guesses(a: Account) -> Iterable[dict[str, Any]]:
    if a.settings.get("input.fit") != "crop":
        return []
    return [{"input.sequence": "crop, resize"}, {"input.sequence": "resize, crop"}]
