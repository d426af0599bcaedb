"""What comes first, the resize or the cut: the middle of a small image, or a small image of the middle."""

from __future__ import annotations

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "resize", ("input.sequence",)
SAYS = "the order is {a} on one side and {b} on the other"
TORCH = "transforms.Compose([...])  # {value}"
KERAS = "keras.Sequential([Resizing(...), CenterCrop(...)])  # {value}"


def guesses(a: Account) -> Guesses:
    if a.settings.get("input.fit") != "crop":
        return []
    return [{"input.sequence": "crop, resize"}, {"input.sequence": "resize, crop"}]
