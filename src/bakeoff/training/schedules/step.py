"""The peak, divided by ten at two thirds and at eight ninths of the way: steps down, after the warm-up."""

from __future__ import annotations

from bakeoff.training.schedules._warmup import warmup

FACTOR, DROPS = 0.1, (2 / 3, 8 / 9)


def rate(step: int, total_steps: int, *, peak: float, warmup_steps: int = 0, end: float = 0.0) -> float:
    """The rate at a step, counted from 0: peak * FACTOR^(drops that lie at or before it), never below `end`.

    The classic schedule of ResNet on CIFAR-10 (He et al., 2016, section 4.2: 32k and 48k of 64k steps) and of ImageNet
    (30, 60 and 80 of 90 epochs, Goyal et al., 2017) lies around these places.
    """
    rising = warmup(step, warmup_steps, peak)
    if rising is not None:
        return rising
    drops = sum(step >= round(total_steps * place) for place in DROPS)
    return max(peak * FACTOR**drops, end)
