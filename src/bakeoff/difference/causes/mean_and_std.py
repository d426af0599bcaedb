"""The mean and deviation that inputs are normalised by."""

from __future__ import annotations

from functools import partial

from bakeoff.difference.causes import Account, Guesses
from bakeoff.difference.inputs import CAFFE, IMAGENET, SCALES
from bakeoff.difference.scales import changed, plain

STAGE, KEYS = "normalise", ("input.mean", "input.std")
SAYS = "inputs are normalised by mean and deviation {a} on one side and {b} on the other"
TORCH = "transforms.Normalize(mean, std)  # {value}"
KERAS = "layers.Normalization(mean=..., variance=...)  # {value}, on pixels / 255; variance is deviation squared"
suspect = partial(changed, "numbers")


def guesses(a: Account) -> Guesses:
    count = a.settings.get("input.channels", 3)
    ranges = [{"input.mean": (mean,) * count, "input.std": (std,) * count} for mean, std in SCALES.values()]
    if count != 3:
        return [] if plain(a) else ranges
    turned = {key: tuple(reversed(value)) for key, value in IMAGENET.items()}
    return [IMAGENET, turned, CAFFE, *([] if plain(a) else ranges)]
