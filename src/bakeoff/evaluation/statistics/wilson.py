"""How sure an accuracy is, given how many images it was measured on."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(correct: int, num: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, (low, high) in 0..1.

    Unlike the textbook's p +- z sqrt(p (1 - p) / n), it stays in 0..1 and isn't empty when all or none are right.

    (p + z^2/2n +- z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n)

    E. B. Wilson 1927, JASA 22, 209-212; recommended by Brown, Cai & DasGupta 2001, Statistical Science 16, 101-133.

    Raises:
        ValueError: correct is not within 0..num, or num is 0, or the confidence is not between 0 and 1.
    """
    if not 0 <= correct <= num or num == 0:
        raise ValueError(f"got {correct} correct of {num}, expected 0 <= correct <= num and num > 0")
    if not 0 < confidence < 1:
        raise ValueError(f"got confidence {confidence}, expected between 0 and 1")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = correct / num
    scale = 1 + z * z / num
    centre = (share + z * z / (2 * num)) / scale
    reach = z * math.sqrt(share * (1 - share) / num + z * z / (4 * num * num)) / scale
    # At the edges the exact bounds are 0 and 1; rounding must not move them past the share.
    low = 0.0 if correct == 0 else min(centre - reach, share)
    high = 1.0 if correct == num else max(centre + reach, share)
    return low, high
