"""How many times as long one takes as another, from rounds in which both took turns.

A round is A B B A or B A A B: what the machine loses steadily in a round meets both alike. Its log ratio is the mean of
B's two logarithms less that of A's. Over rounds the 20 % trimmed mean of these is taken, because a busy machine has
tails that a mean would follow, with a symmetric bootstrap-t interval: R. Wilcox, Introduction to Robust Estimation and
Hypothesis Testing, 4th ed. 2017, section 4.4.3; the standard error is Tukey and McLaughlin's, 1963, of the winsorized
values. A percentile interval of 99 % misses the truth in 3 to 4 % of cases with 8 rounds and in 1 to 2 % with 16; this
one in 0.8 to 1.5 % with 8, 15 and 30 (normal, t of 2 degrees, spikes; 1,000 and 2,000 simulations each). A draw that
takes the same few values again and again has hardly any error of its own: it counts as a third of the whole's at the
least, which leaves the level where it is, and without which a clustered sample's interval would be endless.

A contestant beside itself shows what a difference of nothing looks like: A's way forth in one round and back in the
next, against its other two, is an A B B A of A alone. The ratio counts only where its interval lies outside of 1
widened by that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from bakeoff.comparison.statistics.holm import holm
from bakeoff.schemas import Array
from bakeoff.seeds import rng

ALPHA = 0.01  # of one ratio, and of all decisions of a track together
TRIM = 0.2
RESAMPLES = 10_000
LEAST = 8  # rounds: with fewer, an interval at 1 % is too wide to decide anything
PROCESS = 0.01  # allowed to two processes of one program: where the memory of each lies is chance
STEADY = 0.02  # a contestant that differs from itself by more is on a machine that isn't
SEEN = 0.04  # a slowdown that rounds must be able to show; where they can't, there are twice as many of them


@dataclass(frozen=True)
class Ratio:
    """How many times as long `b` takes as `a`.

    Attributes:
        interval: of the ratio, at 1 - ALPHA.
        noise: by how much a contestant beside itself differed in the same rounds, relative; PROCESS at least.
        smallest: the smallest slowdown that could have been seen here, relative.
        p_value: how often chance and that noise give a ratio this far from 1.
        decided: `a` or `b`, whichever is faster; None: no difference that can be told from none.
    """

    a: str
    b: str
    ratio: float
    interval: tuple[float, float]
    noise: float
    smallest: float
    p_value: float
    decided: str | None = None

    @property
    def steady(self) -> bool:
        """Whether the machine was."""
        return self.noise <= STEADY

    def to_json(self, what: str) -> dict[str, Any]:
        """As `compare --json` prints it."""
        return {
            "a": self.a,
            "b": self.b,
            "what": what,
            "ratio": self.ratio,
            "interval": list(self.interval),
            "noise": self.noise,
            "smallest": self.smallest,
            "p_value": self.p_value,
            "faster": {"a": self.a, "b": self.b, None: None}[self.decided],
        }


def ratio_of(a: str, b: str, times_a: Sequence[Sequence[float]], times_b: Sequence[Sequence[float]]) -> Ratio:
    """The ratio of b's times to a's, undecided.

    Args:
        times_a: (rounds, 2): of each round the way forth and back.
        times_b: those of b in the same rounds.

    Raises:
        ValueError: fewer than LEAST rounds.
    """
    of_a, of_b = np.log(np.asarray(times_a, float)), np.log(np.asarray(times_b, float))
    if of_a.shape != of_b.shape or of_a.ndim != 2 or len(of_a) < LEAST:
        raise ValueError(f"got {of_a.shape} and {of_b.shape}, expected the same (rounds, 2), rounds >= {LEAST}")
    found = of_b.mean(1) - of_a.mean(1)
    middle, error, t = bootstrap(found)
    half = float(np.quantile(t, 1 - ALPHA)) * error
    noise = max(abs(beside_itself(of_a)), abs(beside_itself(of_b)), math.log1p(PROCESS))
    beyond = (abs(middle) - noise) / error if error > 0 else math.copysign(math.inf, abs(middle) - noise)
    return Ratio(
        a,
        b,
        math.exp(middle),
        (math.exp(middle - half), math.exp(middle + half)),
        math.expm1(noise),
        math.expm1(noise + half),
        float((1 + np.sum(t >= beyond)) / (1 + len(t))),
    )


def decided(times: dict[str, Sequence[Sequence[float]]]) -> list[Ratio]:
    """The ratios of all pairs; with several, the p-values are corrected (Holm) before any is called a difference."""
    found = [ratio_of(a, b, times[a], times[b]) for a, b in combinations(times, 2)]
    corrected = holm([one.p_value for one in found])
    return [
        Ratio(**{**vars(one), "p_value": p, "decided": ("a" if one.ratio > 1 else "b") if p <= ALPHA else None})
        for one, p in zip(found, corrected, strict=True)
    ]


def precise(times: dict[str, Sequence[Sequence[float]]]) -> bool:
    """Whether a slowdown by SEEN would show between every two: what rounds may be added for. It looks at how exact the
    ratios are, and not at what they are: to stop once something is decided would find differences where there are none.
    """
    return all(ratio_of(a, b, times[a], times[b]).smallest <= SEEN for a, b in combinations(times, 2))


def interval_of(times: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """One contestant's own time: trimmed geometric mean over rounds, and Student's interval of it (Tukey and
    McLaughlin, as above). The machine's drift is in it: two aren't to be compared by whether they overlap.
    """
    from scipy.stats import t

    logs = np.log(np.asarray(times, float)).mean(1)
    middle, kept = float(trimmed(logs)), len(logs) - 2 * int(TRIM * len(logs))
    half = float(t.ppf(1 - ALPHA / 2, kept - 1)) * float(standard_error(logs))
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def beside_itself(logs: Array) -> float:
    """The log ratio of a contestant to itself: pairs of rounds, each an A B B A of it alone. (rounds, 2)."""
    pairs = logs[: len(logs) // 2 * 2].reshape(-1, 2, 2)
    contrast = (pairs[:, 0, 0] + pairs[:, 1, 1] - pairs[:, 0, 1] - pairs[:, 1, 0]) / 2
    return float(trimmed(contrast))


def bootstrap(values: Array) -> tuple[float, float, Array]:
    """The trimmed mean, its standard error, and abs(t) of RESAMPLES draws with replacement. (rounds,)."""
    middle, error = float(trimmed(values)), float(standard_error(values))
    drawn = values[rng(0, "bootstrap").integers(0, len(values), (RESAMPLES, len(values)))]
    t: Array = np.abs(trimmed(drawn) - middle) / np.maximum(standard_error(drawn), max(error / 3, 1e-15))
    return middle, error, t


def trimmed(values: Array) -> Array:
    """The mean of what is left when TRIM of each end is cut off, along the last axis."""
    cut, count = int(TRIM * values.shape[-1]), values.shape[-1]
    found: Array = np.sort(values, axis=-1)[..., cut : count - cut].mean(-1)
    return found


def standard_error(values: Array) -> Array:
    """Of the trimmed mean: winsorized deviation / ((1 - 2 TRIM) sqrt(n)), with the share that was really cut."""
    ordered, count = np.sort(values, axis=-1), values.shape[-1]
    cut = int(TRIM * count)
    if cut:
        ordered[..., :cut], ordered[..., count - cut :] = ordered[..., cut : cut + 1], ordered[..., -cut - 1 : -cut]
    found: Array = ordered.std(-1, ddof=1) * math.sqrt(count) / (count - 2 * cut)
    return found
