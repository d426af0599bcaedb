"""How far rounding alone carries a net: the floors beside which differences are held.

In float32 the noise is the largest of: what a few roundings of the start weights do; what another order of the sums
does (the same framework with its work split between two threads: the errors of long sums are no accident, they point
one way, and nudged weights leave them where they are); what errors in the gradients of every step do to all that comes
after, where they are as large as those two pairs have them at the first step (under Adam a small gradient's sign
decides a whole step: whether that happens to one draw is chance); and the smallest float32 error that any framework
has, not its own one: a framework that set its own tolerance could not fail. A mistake is in both runs of a pair alike,
and adds nothing to the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.parity.difference import largest, relative
from bakeoff.parity.tolerance import LATE, MOST, NOISE, NOTHING, SMALL, with_noise
from bakeoff.parity.trace import Arrays, Trace
from bakeoff.schemas import Array
from bakeoff.seeds import rng

TINY = 1e-15  # relative: some roundings of float64


@dataclass(frozen=True)
class Spread:
    """How far rounding alone carries the frameworks in float32.

    Attributes:
        singles: the float32 traces, the first framework's first.
        pairs: float32 traces of one framework that differ by rounding alone: from start weights changed by 1e-6,
            relative; with sums in another order.
        reference: its float64.
    """

    singles: Sequence[Trace]
    pairs: Sequence[tuple[Trace, Trace]]
    reference: Trace

    def of_logits(self, question: str) -> float:
        """How far for the logits of a question."""
        return self.of(lambda a, b: relative(a.logits[question], b.logits[question]))

    def of_gradients(self) -> float:
        """How far for gradients of the first batch."""
        nothing = without_gradient(self.reference)
        return self.of(lambda a, b: worst(a.of("training"), b.of("training"), nothing)[0])

    def of_statistics(self) -> float:
        """How far for running statistics after the steps."""
        return self.of(lambda a, b: worst(a.statistics, b.statistics)[0])

    def of_losses(self) -> Array:
        """The same for the losses, step by step: noise that grows later is no excuse for the first steps.

        One draw may start LATE steps later than another.
        """
        least = np.min([between_losses(single, self.reference) for single in self.singles], axis=0)
        most = np.max([least, *(between_losses(a, b) for a, b in self.pairs)], axis=0)
        return late(most)

    def of(self, difference: Callable[[Trace, Trace], float]) -> float:
        """The largest of the pairs, and of the smallest error of a framework."""
        least = min(difference(single, self.reference) for single in self.singles)
        return max([least, *(difference(a, b) for a, b in self.pairs)])


def explained(base: float, noise: float) -> tuple[float, str]:
    """A tolerance in float32, and its reason in words."""
    if NOISE * noise <= base:
        return base, f"tolerance fixed; noise floor {noise:.1e}"
    if NOISE * noise > MOST:
        return MOST, f"tolerance at its most; noise floor {noise:.1e}"
    return with_noise(base, noise), f"tolerance {NOISE:.0f} x the noise floor {noise:.1e}"


def gradient_error(spread: Spread) -> float:
    """How far off rounding alone has gradients, as a share of each parameter's largest: what errors of this size do to
    all that comes after is rounding, too.
    """
    return min(spread.of_gradients(), MOST / NOISE)


def late(differences: Array) -> Array:
    """The noise of each step from one draw's: never smaller than before, and LATE steps early."""
    found: Array = np.maximum.accumulate(differences)
    return found[np.minimum(np.arange(len(found)) + LATE, len(found) - 1)]


def without_gradient(reference: Trace, question: str = "training") -> frozenset[str]:
    """Parameters whose gradient is nothing but rounding, as a float64 trace has it: a bias before batch norm."""
    return nothing_in(reference.of(question))


def nothing_in(arrays: Arrays) -> frozenset[str]:
    """The paths whose arrays are 0 in exact arithmetic, as far as one can see."""
    top = top_of(arrays)
    return frozenset(path for path, array in arrays.items() if np.abs(array).max(initial=0.0) < NOTHING * top)


def top_of(arrays: Arrays) -> float:
    """The largest number of a group."""
    return max((float(np.abs(array).max(initial=0.0)) for array in arrays.values()), default=0.0)


def worst(found: Arrays, expected: Arrays, nothing: frozenset[str] = frozenset()) -> tuple[float, str]:
    """The largest relative difference of a group and its path; what is nothing is held against the group's largest."""
    return largest(found, expected, floor=dict.fromkeys(nothing & set(expected), top_of(expected)))


def between_losses(found: Trace, expected: Trace, question: str = "training") -> Array:
    """The relative differences of the losses, step by step; infinite where they aren't finite, or as many."""
    a, b = (np.asarray(each.losses.get(question, ()), "float64") for each in (found, expected))
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.full(b.shape, np.inf)
    scale = np.maximum(np.abs(b), SMALL * np.abs(b).max(initial=0.0))
    difference: Array = np.where(a == b, 0.0, np.abs(a - b) / np.where(scale > 0, scale, 1e-300))
    return difference


def rounded(arrays: Mapping[str, Array], draw: int = 0) -> dict[str, Array]:
    """Arrays in which every number is changed by some roundings; whole numbers and exact zeros stay."""
    changed = {}
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating):
            noise = rng(draw, "rounded", record=name).normal(size=array.shape)
            changed[name] = (array * (1 + TINY * noise)).astype(array.dtype)
        else:
            changed[name] = array
    return changed
