"""Pixels divided by 255 once more than on the other side: before the net and inside it, or by loader and by hand."""

from __future__ import annotations

from functools import partial

from bakeoff.difference.causes import Account, Guesses
from bakeoff.difference.scales import FACTOR, changed, ranges

STAGE, KEYS = "normalise", ("input.mean", "input.std")
SAYS = "inputs are {a} on one side and {b} on the other: divided by 255 once more"
TORCH = "transforms.ToTensor() divides by 255 already: leave out the second / 255"
KERAS = "image / 255.0 or layers.Rescaling(1 / 255), not both"
suspect, values = partial(changed, "twice"), ranges


def guesses(a: Account) -> Guesses:
    if not a.sees("input.std"):
        return []
    mean, std = a.settings["input.mean"], a.settings["input.std"]
    y = [tuple(one * factor for one in std) for factor in (FACTOR, 1 / FACTOR)]
    zero = [tuple(m * factor for m in mean) for factor in (FACTOR, 1 / FACTOR)]
    within = {"input.mean": mean, "input.std": y[0]}  # the mean is taken away after the second division
    return [*({"input.mean": m, "input.std": s} for m, s in zip(zero, y, strict=True)), within]
