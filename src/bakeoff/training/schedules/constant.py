"""The same rate at every step, after the warm-up."""

from __future__ import annotations

from bakeoff.training.schedules._warmup import warmup


def rate(step: int, total_steps: int, *, peak: float, warmup_steps: int = 0, end: float = 0.0) -> float:
    """The rate at a step, counted from 0: `peak`; `total_steps` and `end` have no effect."""
    rising = warmup(step, warmup_steps, peak)
    return peak if rising is None else rising
