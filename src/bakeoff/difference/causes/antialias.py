"""Whether a resize averages what it leaves out: Pillow and torchvision do, tf.image.resize does only when asked."""

from __future__ import annotations

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "resize", ("input.antialias",)
SAYS = "antialiasing of the resize is {a} on one side and {b} on the other"
TORCH = "transforms.Resize(size, antialias={value})"
KERAS = "tf.image.resize(image, size, antialias={value})"


def guesses(a: Account) -> Guesses:
    filters = [a.settings.get("input.filter"), "bilinear", "bicubic"]
    kinds = dict.fromkeys(one for one in filters if one in ("bilinear", "bicubic"))
    same = [{"input.antialias": not a.settings.get("input.antialias", True)}]
    return same + [{"input.antialias": False, "input.filter": kind, "input.numbers": "floats"} for kind in kinds]
