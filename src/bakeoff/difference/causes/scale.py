"""The range that pixels are scaled to: 0 to 1, -1 to 1, or 0 to 255."""

from __future__ import annotations

from functools import partial

from bakeoff.difference.causes import Account, Guesses
from bakeoff.difference.inputs import SCALES
from bakeoff.difference.scales import changed, plain, ranges

STAGE, KEYS = "normalise", ("input.mean", "input.std")
SAYS = "pixels are scaled to {a} on one side and {b} on the other"
TORCH = "transforms.Normalize(mean, std)  # {value}; ToTensor alone is 0 to 1"
KERAS = "layers.Rescaling(scale, offset)  # {value}; 1/255 is 0 to 1, 1/127.5 with offset -1 is -1 to 1"
suspect, values = partial(changed, "range"), ranges


def guesses(a: Account) -> Guesses:
    if plain(a) is None:
        return []  # then they are other numbers: mean_and_std
    count = a.settings.get("input.channels", 3)
    return [{"input.mean": (mean,) * count, "input.std": (std,) * count} for mean, std in SCALES.values()]
