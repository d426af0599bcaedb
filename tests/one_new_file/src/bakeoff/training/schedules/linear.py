"""A straight line from the peak down to the end, after the warm-up."""

from __future__ import annotations

from bakeoff.training.schedules._warmup import warmup


def rate(step: int, total_steps: int, *, peak: float, warmup_steps: int = 0, end: float = 0.0) -> float:
    """peak + (end - peak) (t - W) / (T - W) for W <= t < T, with T total and W warm-up steps; then the end."""
    rising = warmup(step, warmup_steps, peak)
    if rising is not None:
        return rising
    if step >= total_steps:
        return end
    return peak + (end - peak) * (step - warmup_steps) / (total_steps - warmup_steps)
