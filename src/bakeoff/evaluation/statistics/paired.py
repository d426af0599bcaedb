"""Whether one classifier is really better than another on the same images.

Two accuracies on the same images are not independent: only the images that one gets right and the other wrong say
which is better. Comparing their separate intervals would miss differences that are real.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Paired:
    """Two classifiers, A and B, on the same images.

    Attributes:
        num: images.
        only_a: images that A alone gets right.
        only_b: images that B alone gets right.
        difference: accuracy of A minus accuracy of B.
        interval: the difference's confidence interval.
        p_value: how often a difference at least as large comes about by chance if the two are equally good.
    """

    num: int
    only_a: int
    only_b: int
    difference: float
    interval: tuple[float, float]
    p_value: float

    def better(self, level: float = 0.05) -> str | None:
        """`a` or `b` where the difference is significant at that level, else None."""
        if self.p_value >= level:
            return None
        return "a" if self.only_a > self.only_b else "b"


def paired(correct_a: Array, correct_b: Array, confidence: float = 0.95) -> Paired:
    """Compare two classifiers by which of the same images each got right.

    Args:
        correct_a: bool, (N,): whether A is right, image by image.
        correct_b: the same for B, in the same order.
        confidence: of the interval.

    Raises:
        ValueError: the shapes differ, or there is no image.
    """
    if correct_a.shape != correct_b.shape or correct_a.ndim != 1 or correct_a.size == 0:
        raise ValueError(f"got {correct_a.shape} and {correct_b.shape}, expected the same (N,), N > 0")
    a, b = correct_a.astype(bool), correct_b.astype(bool)
    both, only_a, only_b = (int(np.sum(mask)) for mask in (a & b, a & ~b, ~a & b))
    return Paired(
        num=int(a.size),
        only_a=only_a,
        only_b=only_b,
        difference=(only_a - only_b) / a.size,
        interval=newcombe(both, only_a, only_b, int(a.size) - both - only_a - only_b, confidence),
        p_value=mcnemar(only_a, only_b),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided exact p-value: each discordant image is a fair coin if A and B are equally good.

    min(1, 2 P(X <= min(only_a, only_b))), X binomial of n = only_a + only_b, 1/2. McNemar 1947, Psychometrika 12,
    153-157, in its exact form. Summed in whole numbers: no rounding before the last division.
    """
    num = only_a + only_b
    term, tail = 1, 0
    for k in range(min(only_a, only_b) + 1):
        tail += term
        term = term * (num - k) // (k + 1)
    # Two whole numbers of any size divide exactly; floats of them would overflow beyond 1,023 images.
    return min(1.0, (2 * tail) / (1 << num))


def newcombe(both: int, only_a: int, only_b: int, neither: int, confidence: float = 0.95) -> tuple[float, float]:
    """The confidence interval of a paired difference of proportions, (low, high) in -1..1.

    Wilson's intervals of the two proportions, joined by their correlation: method 10 of R. G. Newcombe 1998, Statistics
    in Medicine 17, 2635-2650. It doesn't collapse to a point when no image is discordant.
    """
    num = both + only_a + only_b + neither
    share_a, share_b = (both + only_a) / num, (both + only_b) / num
    low_a, high_a = wilson(both + only_a, num, confidence)
    low_b, high_b = wilson(both + only_b, num, confidence)
    phi = _correlation(both, only_a, only_b, neither)
    below, above = share_a - low_a, high_b - share_b
    reach_low = math.sqrt(max(0.0, below**2 - 2 * phi * below * above + above**2))
    above, below = high_a - share_a, share_b - low_b
    reach_high = math.sqrt(max(0.0, above**2 - 2 * phi * above * below + below**2))
    difference = (only_a - only_b) / num
    return max(-1.0, difference - reach_low), min(1.0, difference + reach_high)


def _correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    """Newcombe's phi, with his continuity correction where it is positive."""
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if margins == 0:
        return 0.0
    cross: float = both * neither - only_a * only_b
    if cross > 0:
        cross = max(cross - (both + only_a + only_b + neither) / 2, 0.0)
    return cross / math.sqrt(margins)
