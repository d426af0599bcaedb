"""The learning rate of every step, in float64 and outside the frameworks, so that both get the same number.

Keras computes its own schedules in float32 (0.1 becomes 0.10000000149), which is why none of them is used. A new
schedule is one file here with `rate(step, total_steps, *, peak, warmup_steps, end)`.
"""

from __future__ import annotations

from collections.abc import Callable

from bakeoff import registry
from bakeoff.recipe.schema import ScheduleSettings

__all__ = ["schedule"]


def schedule(settings: ScheduleSettings, steps_per_epoch: int, epochs: int) -> Callable[[int], float]:
    """The rate as a function of the optimizer step, counted from 0.

    Args:
        settings: name, peak, warm-up (in epochs; rounded to whole steps) and end.
        steps_per_epoch: optimizer steps, not micro-batches.
        epochs: of the phase.

    Raises:
        UsageError: an unknown name.
    """
    if steps_per_epoch < 1 or epochs < 1:
        raise ValueError(f"got {steps_per_epoch} steps an epoch and {epochs} epochs, expected at least 1 of each")
    module = registry.load(__name__, settings.name)
    total = steps_per_epoch * epochs
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total)

    def rate(step: int) -> float:
        value = module.rate(step, total, peak=settings.peak, warmup_steps=warmup, end=settings.end)
        return float(value)

    return rate
