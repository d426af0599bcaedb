"""Up to the peak along half a cosine, then down to nothing along another one."""

from __future__ import annotations

import math

UP, START, LEAST = 0.3, 1 / 25, 1e-4  # share of the steps that rise; first rate of the peak; last rate of the first


def rate(step: int, total_steps: int, *, peak: float, warmup_steps: int = 0, end: float = 0.0) -> float:
    """The rate at a step, counted from 0: the numbers of torch's OneCycleLR(max_lr = peak, total_steps).

    Rises from peak / 25 during UP of the steps (or during the warm-up, where one is asked for), falls to peak / 250000
    (or to `end`) at the last one. Smith & Topin, 2018, arXiv:1708.07120, without its cycle of momentum.
    """
    if step < 0:
        raise ValueError(f"got step {step}, expected 0 or more")
    top = (warmup_steps or UP * total_steps) - 1
    first, last = peak * START, end or peak * START * LEAST
    if step <= top:
        return _between(first, peak, step / top if top > 0 else 1.0)
    return _between(peak, last, min((step - top) / max(total_steps - 1 - top, 1e-12), 1.0))


def _between(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) / 2 * (1 + math.cos(math.pi * share))
