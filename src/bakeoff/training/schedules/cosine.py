"""Half a cosine from the peak down to the end, after the warm-up."""

from __future__ import annotations

import math

from bakeoff.training.schedules._warmup import warmup


def rate(step: int, total_steps: int, *, peak: float, warmup_steps: int = 0, end: float = 0.0) -> float:
    """The rate at a step t, counted from 0.

    end + (peak - end) * (1 + cos(pi * (t - W) / (T - W))) / 2   for W <= t < T, with T total and W warm-up steps

    The peak is had at t = W, the end would be had at t = T; later steps stay there (torch's CosineAnnealingLR would
    rise again). Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts; the same numbers as
    CosineAnnealingLR(T_max = T, eta_min = end) and keras CosineDecay(decay_steps = T) have where W = 0.
    """
    rising = warmup(step, warmup_steps, peak)
    if rising is not None:
        return rising
    if step >= total_steps:
        return end
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return end + (peak - end) * (1 + math.cos(math.pi * progress)) / 2
