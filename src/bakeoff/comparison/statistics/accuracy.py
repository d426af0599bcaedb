"""What accuracies on the same images, and over seeds, allow to be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.evaluation.statistics.paired import Paired, paired
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.schemas import Array

ALPHA, POWER = 0.05, 0.8
ENOUGH = 5  # seeds from which on a claim is about the frameworks, and not about these nets
MARGIN = 0.02


@dataclass(frozen=True)
class Same:
    """Whether two accuracies are as good as equal, by two one-sided tests.

    Attributes:
        supported: the smallest margin within which the data say that they are equal.
        equivalent: True: the difference is below the margin; False: it is above it; None: the images don't say.
        visible: the smallest difference that a test on so many images would have found in 4 of 5 cases.
    """

    supported: float
    equivalent: bool | None
    visible: float


def same(right_a: Array, right_b: Array, margin: float = MARGIN) -> Same:
    """Two classifiers on the same images, bool (N,) each.

    Two one-sided tests at 5 % each are passed where the 90 % interval of the difference lies within the margin: D.
    Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680. The interval is Newcombe's of paired
    shares.
    """
    found = paired(right_a, right_b, confidence=1 - 2 * ALPHA)
    return _same(found.interval, margin, visible(found))


def same_over_seeds(differences: Sequence[float], margin: float, seen: float) -> Same:
    """The same from the difference of each seed, of ENOUGH seeds or more."""
    return _same(t_interval(differences, 1 - 2 * ALPHA), margin, seen)


def _same(interval: tuple[float, float], margin: float, seen: float) -> Same:
    low, high = interval
    inside, outside = max(-low, high) < margin, low > margin or high < -margin
    return Same(max(-low, high), True if inside else False if outside else None, seen)


def visible(found: Paired) -> float:
    """The smallest difference that McNemar's exact test at 5 % finds with a power of 80 %, given on how many images the
    two disagree: on m of them, each is A's with the chance (1 + d / p) / 2, p = m / n, which is d's share.

    Where they disagree on fewer than ten, the upper limit of that share stands in its place.
    """
    from scipy.stats import binom

    apart = found.only_a + found.only_b
    count = apart if apart >= 10 else math.ceil(wilson(apart, found.num)[1] * found.num)
    critical = int(binom.ppf(ALPHA / 2, count, 0.5))  # the tail up to here, or up to one less, is 2.5 % at most
    critical -= float(binom.cdf(critical, count, 0.5)) >= ALPHA / 2
    if critical < 0:
        return 1.0  # no outcome of so few images is a sign of anything
    low, high = 0.0, 1.0
    for _ in range(40):
        share = (low + high) / 2
        enough = float(binom.cdf(critical, count, (1 - share) / 2)) >= POWER
        low, high = (low, share) if enough else (share, high)
    return high * count / found.num


def t_interval(values: Sequence[float], confidence: float = 1 - ALPHA) -> tuple[float, float]:
    """Student's interval of a mean; of one value, that value."""
    from scipy.stats import t

    middle, count = float(np.mean(values)), len(values)
    if count < 2:
        return middle, middle
    half = float(t.ppf((1 + confidence) / 2, count - 1)) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return middle - half, middle + half


def mean_interval(accuracies: Sequence[float], num: int) -> tuple[float, float]:
    """Of a framework's mean accuracy: over its seeds where there are ENOUGH, else over the images, as if all seeds had
    been judged on other ones: their spread is told apart.
    """
    if len(accuracies) >= ENOUGH:
        return t_interval(accuracies)
    return wilson(round(float(np.mean(accuracies)) * num), num)
