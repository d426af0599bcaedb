"""From traces to checks: what was the same, how far, against which tolerance and why.

The reference is the float64 trace of the first framework; NumPy's truth judges the logits. float64 against float64
decides whether two frameworks do the same mathematics; float32 against the reference says what a user sees, and is held
against fixed tolerances, or against the measured noise where rounding grows: in deep nets, at large rates, and under
Adam, whose g / sqrt(v) turns the sign of a rounding error into a whole step. The noise is the largest of: what a few
roundings of the start weights do in float32; what another order of the sums does there (the same framework with its
work split between two threads: the errors of long sums are no accident, they point one way, and nudged weights leave
them where they are); what errors in the gradients of every step do to all that comes after, where they are as large as
those two pairs have them at the first step (under Adam a small gradient's sign decides a whole step: whether that
happens to one draw is chance); and the smallest float32 error that any framework has, not its own one: a framework that
set its own tolerance could not fail. A mistake is in both runs of a pair alike, and adds nothing to the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.parity import check, largest, relative
from bakeoff.parity.tolerance import FLOAT64, GRADIENTS, LOGITS, LOSSES, MOST, NOISE, STATISTICS, with_noise
from bakeoff.precision import ROUNDOFF
from bakeoff.schemas import Array, Check

Trace = Mapping[str, Array]
LATE = 2  # steps
SMALL = 1e-3  # of the largest loss: one below it is the rounding of logits, in float32 as likely 0
BLIND = 1e-7  # of the largest logit: images closer than this prove nothing
NOTHING = 1e-9  # of the largest gradient: a parameter below it has none in exact arithmetic (a bias before batch norm)


@dataclass(frozen=True)
class Spread:
    """How far rounding alone carries the frameworks.

    Attributes:
        singles: the float32 traces, the first framework's first.
        pairs: float32 traces of one framework that differ by rounding alone: from start weights changed by 1e-6,
            relative; with sums in another order.
        reference: its float64.
    """

    singles: Sequence[Trace]
    pairs: Sequence[tuple[Trace, Trace]]
    reference: Trace

    @property
    def nothing(self) -> frozenset[str]:
        """Parameters whose gradient is nothing but rounding."""
        return without_gradient(self.reference)

    def of(self, key: str) -> float:
        """How far for one array."""
        return self._floor(lambda a, b: relative(a[key], b[key]))

    def of_all(self, prefix: str) -> float:
        """The same over the arrays of a group."""
        return self._floor(lambda a, b: _worst(a, b, prefix, self.nothing)[0])

    def of_losses(self) -> Array:
        """The same for the losses, step by step: noise that grows later is no excuse for the first steps.

        One draw may start LATE steps later than another.
        """
        least = np.min([differences(single, self.reference) for single in self.singles], axis=0)
        most = np.max([least, *(differences(a, b) for a, b in self.pairs)], axis=0)
        found: Array = np.maximum.accumulate(most)
        return found[np.minimum(np.arange(len(found)) + LATE, len(found) - 1)]

    def _floor(self, difference: Callable[[Trace, Trace], float]) -> float:
        least = min(difference(single, self.reference) for single in self.singles)
        return max([least, *(difference(a, b) for a, b in self.pairs)])

    def tolerance(self, base: float, noise: float) -> tuple[float, str]:
        """The tolerance, and its reason in words."""
        if NOISE * noise <= base:
            return base, f"tolerance fixed; noise floor {noise:.1e}"
        if NOISE * noise > MOST:
            return MOST, f"tolerance at its most; noise floor {noise:.1e}"
        return with_noise(base, noise), f"tolerance {NOISE:.0f} x the noise floor {noise:.1e}"


def gradient_error(spread: Spread) -> float:
    """How far off rounding alone has gradients, as a share of each parameter's largest: what errors of this size do to
    all that comes after is rounding, too.
    """
    return min(spread.of_all("gradient/"), MOST / NOISE)


def without_gradient(reference: Trace) -> frozenset[str]:
    """Parameters whose gradient is nothing but rounding, as a float64 trace has it: a bias before batch norm."""
    gradients = group(reference, "gradient/")
    top = max((float(np.abs(array).max(initial=0.0)) for array in gradients.values()), default=0.0)
    return frozenset(path for path, array in gradients.items() if np.abs(array).max(initial=0.0) < NOTHING * top)


def group(trace: Trace, prefix: str) -> dict[str, Array]:
    """The arrays of a group by path."""
    return {key.removeprefix(prefix): array for key, array in trace.items() if key.startswith(prefix)}


def _worst(found: Trace, expected: Trace, prefix: str, nothing: frozenset[str] = frozenset()) -> tuple[float, str]:
    a, b = group(found, prefix), group(expected, prefix)
    top = max((float(np.abs(array).max(initial=0.0)) for array in b.values()), default=0.0)
    return largest(a, b, floor=dict.fromkeys(nothing & set(b), top))


def single(name: str, found: Trace, truth: Array, spread: Spread) -> list[Check]:
    """The checks of one framework in float32: logits, gradients, losses, statistics, evaluation."""
    reference = spread.reference
    checks = [
        check(
            f"logits.{name}", relative(found["logits"][: len(truth)], truth), LOGITS, "float32 against NumPy in float64"
        )
    ]
    difference, where = _worst(found, reference, "gradient/", spread.nothing)
    tolerance, why = spread.tolerance(GRADIENTS, spread.of_all("gradient/"))
    checks.append(check(f"gradients.{name}", difference, tolerance, f"largest at {where or 'none'}; {why}"))
    steps = len(reference["losses"])
    checks.append(_losses(f"losses.{name}", found, spread))
    checks.append(_statistics(name, found, spread))
    tolerance, why = spread.tolerance(LOSSES, spread.of("evaluation"))
    checks.append(
        check(
            f"evaluation.{name}",
            relative(found["evaluation"], reference["evaluation"]),
            tolerance,
            f"after {steps} steps; {why}",
        )
    )
    return checks


def losses(found: Trace, expected: Trace) -> float:
    """The largest relative difference of a loss over the steps."""
    return float(differences(found, expected).max(initial=0.0))


def differences(found: Trace, expected: Trace) -> Array:
    """The relative differences of the losses, step by step; infinite where they aren't finite, or as many."""
    a, b = np.asarray(found["losses"], "float64"), np.asarray(expected["losses"], "float64")
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.full(b.shape, np.inf)
    scale = np.maximum(np.abs(b), SMALL * np.abs(b).max(initial=0.0))
    difference: Array = np.where(a == b, 0.0, np.abs(a - b) / np.where(scale > 0, scale, 1e-300))
    return difference


def _losses(name: str, found: Trace, spread: Spread, base: float = LOSSES) -> Check:
    """At the step where they are the furthest apart, by the tolerance of that step."""
    difference, floors = differences(found, spread.reference), spread.of_losses()
    rows = [spread.tolerance(base, float(floor)) for floor in floors]
    worst = int(np.argmax(difference / [tolerance for tolerance, _ in rows])) if rows else 0
    tolerance, why = rows[worst] if rows else (base, "no steps")
    detail = f"{len(rows)} steps, nearest to its tolerance at step {worst}; {why}"
    return check(name, float(difference[worst]) if rows else float("inf"), tolerance, detail)


def exploded(reference: Trace) -> int | None:
    """The first step whose loss is no finite number, or the one after the last where the logits aren't; else None."""
    finite = np.isfinite(np.asarray(reference["losses"], "float64"))
    if finite.all():
        return None if np.isfinite(reference["evaluation"]).all() else len(finite)
    return int(np.argmin(finite))


def sensitivity(reference: Trace) -> Check:
    """Whether the reference can show a mistake at all: two nets that do nothing are the same."""
    logits = np.asarray(reference["logits"], "float64")
    spread, top = float(np.ptp(logits, axis=0).max(initial=0.0)), float(np.abs(logits).max(initial=0.0))
    gradients = group(reference, "gradient/")
    why = []
    if len(logits) > 1 and spread <= BLIND * top:
        why.append("all images give the same logits")
    if not any(np.any(array) for array in gradients.values()):
        why.append("all gradients are zero")
    return check("telling", float(len(why)), 0.0, "; ".join(why) or "images differ, and weights have gradients")


def _statistics(name: str, found: Trace, spread: Spread) -> Check:
    if not group(spread.reference, "state/"):
        return check(f"statistics.{name}", 0.0, STATISTICS, "the net keeps no running statistics")
    difference, where = _worst(found, spread.reference, "state/")
    tolerance, why = spread.tolerance(STATISTICS, spread.of_all("state/"))
    return check(f"statistics.{name}", difference, tolerance, f"largest at {where or 'none'}; {why}")


def double(name: str, found: Trace, spread: Spread) -> list[Check]:
    """float64 against float64: the judge. Everything within 1e-9."""
    reference = spread.reference
    gradients, at = _worst(found, reference, "gradient/", spread.nothing)
    states, where = _worst(found, reference, "state/")
    weights, which = _worst(found, reference, "weight/", spread.nothing)
    steps = f"after {len(reference['losses'])} steps"
    mean, at_mean = _worst(found, reference, "average/", spread.nothing)
    more = [check(f"float64.average.{name}", mean, FLOAT64, f"running mean, largest at {at_mean or 'none'}")]
    checks = [
        check(f"float64.logits.{name}", relative(found["logits"], reference["logits"]), FLOAT64),
        check(f"float64.gradients.{name}", gradients, FLOAT64, f"largest at {at or 'none'}"),
        check(f"float64.losses.{name}", losses(found, reference), FLOAT64, steps),
        check(f"float64.parameters.{name}", weights, FLOAT64, f"{steps}, largest at {which or 'none'}"),
        check(f"float64.statistics.{name}", states, FLOAT64, f"largest at {where or 'none'}"),
        check(f"float64.evaluation.{name}", relative(found["evaluation"], reference["evaluation"]), FLOAT64),
    ]
    return checks + (more if group(reference, "average/") else [])


def mixed(name: str, precision: str, found: Trace, spread: Spread) -> list[Check]:
    """The checks of one framework with 16 bits mixed in, against float64: everything within the noise of 16 bits.

    That noise is what one rounding of the start weights does, which they meet anyway, or the least error that any
    framework has. Nothing is held tighter than two roundings of a result.
    """
    reference, base = spread.reference, 4 * ROUNDOFF[precision]
    measured: dict[str, tuple[float, float, str]] = {
        "logits": (relative(found["logits"], reference["logits"]), spread.of("logits"), ""),
        "evaluation": (relative(found["evaluation"], reference["evaluation"]), spread.of("evaluation"), ""),
    }
    for kind, prefix in (("gradients", "gradient/"), ("statistics", "state/")):
        if group(reference, prefix):
            nothing = spread.nothing if kind == "gradients" else frozenset()
            difference, where = _worst(found, reference, prefix, nothing)
            measured[kind] = difference, spread.of_all(prefix), f"largest at {where or 'none'}; "
    checks = [_losses(f"{precision}.losses.{name}", found, spread, base)]
    for kind, (difference, noise, where) in measured.items():
        tolerance, why = spread.tolerance(base, noise)
        checks.append(check(f"{precision}.{kind}.{name}", difference, tolerance, where + why))
    return checks
