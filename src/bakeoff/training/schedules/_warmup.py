"""The linear rise that every schedule starts with, if asked."""

from __future__ import annotations


def warmup(step: int, warmup_steps: int, peak: float) -> float | None:
    """peak * (step + 1) / warmup_steps while step < warmup_steps, afterwards None.

    The first step already moves and the last one of the rise has the peak (Goyal et al. 2017, arXiv:1706.02677,
    section 2.2, with the rise per step instead of per epoch).
    """
    if step < 0:
        raise ValueError(f"got step {step}, expected 0 or more")
    return peak * (step + 1) / warmup_steps if step < warmup_steps else None
