"""What a file for use elsewhere may differ by from its source, stage by stage: pixels and inputs by nothing, logits by
the rounding of its precision, labels not at all.

float32   as everywhere: some hundred ulps, or a few times the source's own error in float32 against float64
16 bits   weights that were rounded once: four roundings, or a few times what that does to the source
int8      no tolerance of logits can be derived, but that of two nets which have nothing in common; labels and accuracy
          on pictures that it was not trained on decide
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bakeoff.parity import judge
from bakeoff.parity.difference import check, relative
from bakeoff.parity.noise import Spread, explained
from bakeoff.parity.tolerance import MOST
from bakeoff.parity.trace import Trace
from bakeoff.precision import ROUNDOFF
from bakeoff.schemas import Array, Check

NAMES, SIMILARITY, UNKNOWN = "class names", "similarity", "unknown"
STAGES = (
    *("decoded pixels", "prepared pixels", "normalised input"),
    *("logits", "probabilities", "labels", SIMILARITY, UNKNOWN, NAMES),
)
FLOATS = ("float32", "float16", "bfloat16")
SOFTMAX, SIGMOID = 0.5, 0.25  # how far a probability moves for each 1 that all logits move by, at the most
QUESTION = "given"


def same(stage: str, wrong: Array, names: Sequence[str] = (), more: str = "") -> Check:
    """A stage that has to be the same bit for bit.

    Args:
        wrong: bool, (N,): which pictures differ.
        names: of the pictures.
    """
    named = ", ".join(name for name, bad in zip(names, wrong, strict=False) if bad)
    share = float(np.mean(wrong)) if len(wrong) else 0.0
    says = f"share of {len(wrong)} pictures{more}" + (f": {named[:120]}" if named else "")
    return check(stage, share, 0.0, says)


def logits(found: Array, expected: Array, noisy: Array, precision: str) -> Check:
    """The logits of an artefact.

    Args:
        found: of the artefact, (N, n).
        expected: of the source in float64.
        noisy: of the source in float32; of an artefact of 16 bits, with weights that were rounded to them.
        precision: one of FLOATS, or int8.
    """
    spread = Spread([Trace({QUESTION: noisy})], [], Trace({QUESTION: expected}))
    difference = relative(found, expected)
    if precision == "float32":
        (plain,) = judge.logits(Trace({QUESTION: found}), spread)
        return check("logits", difference, plain.tolerance, plain.detail)
    if precision in FLOATS:
        tolerance, why = explained(4 * ROUNDOFF[precision], spread.of_logits(QUESTION))
        return check("logits", difference, tolerance, f"{precision} against float64; {why}")
    return check("logits", difference, MOST, f"{precision} against float64; tolerance at its most; accuracy decides")


def similarity(found: Array, expected: Array, noisy: Array, precision: str) -> Check:
    """How similar pictures are to classes, (N,) each: as for `logits`: it is a product of features, too."""
    return replace(logits(found[:, None], expected[:, None], noisy[:, None], precision), name=SIMILARITY)


def reach(expected: Array, of_logits: Check) -> float:
    """How far a logit may be from the source's, in its own unit."""
    return of_logits.tolerance * float(np.abs(expected).max(initial=0.0))


def probabilities(found: Array, expected: Array, far: float, slope: float) -> Check:
    """Probabilities move no further than their logits allow.

    Args:
        far: how far a logit may be from the source's.
        slope: SOFTMAX or SIGMOID.
    """
    gap = math.inf
    if found.shape == expected.shape and np.isfinite(found).all():
        gap = float(np.abs(found - expected).max(initial=0.0))
    says = f"absolute; tolerance {slope} x that of the logits"
    return check("probabilities", gap, max(slope * far, 4 * ROUNDOFF["float32"]), says)


def labels(found: Array, expected: Array, margins: Array, far: float, names: Sequence[str] = ()) -> Check:
    """Labels by name. Where rounding alone may change one, nothing can be told.

    Args:
        margins: (N,): how far probabilities have to move to change a picture's label.
        far: how far they may.
    """
    wrong = (found != expected) & (margins > far)
    near = int(((found != expected) & (margins <= far)).sum())
    return same("labels", wrong, names, f" ({near} nearer to another class than the tolerance)" if near else "")


def accuracy(split: str, least: float, most_loss: float, says: str) -> Check:
    """Whether the accuracy falls by no more than was allowed, whatever the draw of the pictures.

    Args:
        least: the lower end of the paired interval of the artefact's accuracy less the source's.
        most_loss: 0 to 1.
    """
    return check(f"accuracy.{split}", max(0.0, -least), most_loss, says)


def order(check: Check) -> int:
    """Its place among the stages; what is none comes last."""
    return STAGES.index(check.name) if check.name in STAGES else len(STAGES)


def first(checks: Sequence[Check]) -> Check | None:
    """The first check, in the order of the stages, that did not pass."""
    return min((one for one in checks if not one.passed), key=order, default=None)
