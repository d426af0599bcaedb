"""From traces to checks: what was the same, how far, against which tolerance and why. Whoever asks, asks here.

The reference is a float64 trace. float64 against it decides whether two nets do the same mathematics: `double`. float32
against it says what a user sees: `single`, and `mixed` with 16 bits in between. Differences are judged parameter by
parameter and step by step, each against its own noise: what rounding does to one is no excuse for another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bakeoff.parity import draws
from bakeoff.parity.difference import check, relative
from bakeoff.parity.noise import (
    Spread,
    between_losses,
    explained,
    late,
    nothing_in,
    top_of,
    without_gradient,
    worst,
)
from bakeoff.parity.tolerance import BLIND, GRADIENTS, LOGITS, LOSSES, STATISTICS, in_float64, with_noise
from bakeoff.parity.trace import Arrays, Trace
from bakeoff.precision import ROUNDOFF
from bakeoff.schemas import Array, Check, Drawn

LABELLED = ("given", "telling")  # questions whose images are told apart

# float64 --------------------------------------------------------------------------------------------------------------


def double(found: Trace, reference: Trace, noise: Sequence[Trace] = ()) -> list[Check]:
    """float64 against float64: the judge. Names are `logits.QUESTION`, `gradients.QUESTION` and so on.

    Args:
        found: of the net that is judged.
        reference: of the source; everything in it has to be in `found`.
        noise: the source again, images and weights changed by a rounding. None: every limit is the plain one. Asked
            for only where that isn't enough, since it costs a training each; what isn't in it keeps its plain limit.
    """
    checks = []
    for question, expected in reference.logits.items():
        other = found.logits.get(question)
        noisy = [one for one in noise if question in one.logits]
        floor = max((relative(one.logits[question], expected) for one in noisy), default=0.0)
        difference = math.inf if other is None else relative(other, expected)
        checks.append(_decided(f"logits.{question}", difference, floor, "of the largest logit", noisy))
        if question in LABELLED and other is not None and len(expected) > 1:
            checks += _images(question, other, expected, floor)
    for question in reference.losses:
        checks.append(_losses64(question, found, reference, noise))
    for question, gradients in reference.gradients.items():
        others = [one.of(question) for one in noise if one.of(question)]
        checks.append(_group64(f"gradients.{question}", found.of(question), gradients, others))
    for kind in ("statistics", "weights", "averages"):
        expected_group: Arrays = getattr(reference, kind)
        if expected_group or getattr(found, kind):
            others = [group for one in noise if (group := getattr(one, kind))]
            checks.append(_group64(f"{kind}.after", getattr(found, kind), expected_group, others))
    drawn, asked = (_all_draws(one) for one in (found, reference))
    if drawn or asked:
        frozen = sorted(set(found.still) ^ set(reference.still))
        says = f"drawn alike in pass after pass on one side alone: {', '.join(frozen[:3]) or 'nothing'}"
        checks += [*draws.checks(drawn, asked), check("draws.fresh", float(len(frozen)), 0.0, says)]
    return checks


def _all_draws(trace: Trace) -> dict[str, Drawn]:
    return {f"{node} ({question})": one for question, ledger in trace.draws.items() for node, one in ledger.items()}


def _decided(name: str, difference: float, floor: float, what: str, noise: Sequence[Trace | Arrays]) -> Check:
    tolerance, limit = in_float64(floor)
    why = f"; noise floor of the source {floor:.1e} (images and weights changed by a rounding)" if noise else ""
    passed = math.isfinite(difference) and difference <= tolerance
    decided = passed or not difference <= limit
    told = "" if decided else "not decided: the source's own noise is as large; "
    return Check(name, difference, tolerance, passed, f"{told}{what}; float64{why}", decided)


def _group64(name: str, found: Arrays, expected: Arrays, noise: Sequence[Arrays]) -> Check:
    """Parameter by parameter: the one that is the furthest beyond its own limit, or the nearest to it."""
    missing = sorted(set(found) ^ set(expected))
    if missing:
        return _decided(name, math.inf, 0.0, f"on one side alone: {', '.join(missing[:3])}", ())
    nothing = nothing_in(expected)
    top = top_of(expected)

    def apart(arrays: Arrays, path: str) -> float:
        return (
            worst({path: arrays[path]}, {path: expected[path]})[0]
            if path not in nothing
            else _against(arrays[path], expected[path], top)
        )

    floors = {path: max((apart(one, path) for one in noise if path in one), default=0.0) for path in expected}
    usual = float(np.median(list(floors.values()))) if noise and floors else 0.0  # a lucky draw of one isn't its noise
    rows = {path: (apart(found, path), max(floors[path], usual)) for path in expected}
    where = max(rows, key=lambda path: _beyond(*rows[path]), default="")
    difference, floor = rows[where] if rows else (0.0, 0.0)
    return _decided(name, difference, floor, f"largest at {where}" if where else "there are none", noise)


def _beyond(difference: float, floor: float) -> float:
    """How many times its tolerance."""
    return difference / in_float64(floor)[0] if math.isfinite(difference) else math.inf


def _against(found: Array, expected: Array, scale: float) -> float:
    if found.shape != expected.shape:
        return math.inf
    gap = float(np.abs(np.asarray(found, "float64") - np.asarray(expected, "float64")).max(initial=0.0))
    return (gap / scale if scale else float(gap > 0)) if math.isfinite(gap) else math.inf


def _losses64(question: str, found: Trace, reference: Trace, noise: Sequence[Trace]) -> Check:
    difference = between_losses(found, reference, question)
    floors = np.zeros(len(difference))
    noise = [one for one in noise if question in one.losses]
    for one in noise:
        floors = np.maximum(floors, late(between_losses(one, reference, question)))
    if not len(difference):
        return _decided(f"losses.{question}", math.inf, 0.0, "there are none", ())
    step = int(np.argmax([_beyond(float(d), float(f)) for d, f in zip(difference, floors, strict=True)]))
    what = f"relative; {len(difference)} steps, furthest at step {step}" if len(difference) > 1 else "relative"
    return _decided(f"losses.{question}", float(difference[step]), float(floors[step]), what, noise)


def _images(question: str, found: Array, expected: Array, floor: float) -> list[Check]:
    """Labels; and how the logits of one image differ from the others': a net that ignores its input would pass all
    else.
    """
    if found.shape != expected.shape:
        return [check(f"labels.{question}", math.inf, 0.0, "the logits have another shape")]
    different = int((_label(found) != _label(expected)).sum())
    checks = [check(f"labels.{question}", different / len(expected), 0.0, f"share of {len(expected)} images; float64")]
    spread = float(np.abs(expected - expected.mean(0)).max()) / max(float(np.abs(expected).max()), 1e-300)
    says = f"float64; images differ by {spread:.1e} of the largest logit"
    name = f"between_images.{question}"
    if spread >= BLIND:
        apart = relative(found - found.mean(0), expected - expected.mean(0))
        return [*checks, check(name, apart, in_float64(floor)[0] / spread, says)]
    if question == "given":  # a fresh net may hardly read the image: `telling` judges it
        return checks
    ignores = f"{says}: the net ignores its input, which proves nothing"
    return [*checks, Check(name, math.inf, 0.0, passed=False, detail=ignores, decided=False)]


def _label(logits: Array) -> Array:
    flat = logits.reshape(len(logits), -1)
    found: Array = flat.argmax(-1) if flat.shape[-1] > 1 else flat[:, 0] > 0
    return found


# float32 and less -----------------------------------------------------------------------------------------------------


def logits(found: Trace, spread: Spread) -> list[Check]:
    """The logits of every question in float32, against the reference in float64."""
    checks = []
    for question, array in found.logits.items():
        floor = spread.of_logits(question)
        difference = relative(array, spread.reference.logits[question])
        detail = f"float32 against float64; noise floor of the source {floor:.1e}; float64 decides"
        checks.append(check(f"logits.{question}", difference, with_noise(LOGITS, floor), detail))
    return checks


def single(name: str, found: Trace, truth: Array, spread: Spread) -> list[Check]:
    """The checks of one framework in float32: logits, gradients, losses, statistics, evaluation.

    Args:
        truth: logits of the first images of NumPy in float64.
    """
    reference, given = spread.reference, found.logits["given"][: len(truth)]
    checks = [check(f"logits.{name}", relative(given, truth), LOGITS, "float32 against NumPy in float64")]
    nothing = without_gradient(reference)
    difference, where = worst(found.of("training"), reference.of("training"), nothing)
    tolerance, why = explained(GRADIENTS, spread.of_gradients())
    detail = f"largest at {where or 'none'}; {why}; float64 decides"
    checks.append(check(f"gradients.{name}", difference, tolerance, detail))
    checks.append(_losses(f"losses.{name}", found, spread))
    checks.append(_statistics(name, found, spread))
    tolerance, why = explained(LOSSES, spread.of_logits("after"))
    difference = relative(found.logits["after"], reference.logits["after"])
    detail = f"after {len(reference.losses['training'])} steps; {why}"
    return [*checks, check(f"evaluation.{name}", difference, tolerance, detail)]


def _losses(name: str, found: Trace, spread: Spread, base: float = LOSSES) -> Check:
    """At the step where they are the furthest apart, by the tolerance of that step."""
    difference, floors = between_losses(found, spread.reference), spread.of_losses()
    rows = [explained(base, float(floor)) for floor in floors]
    step = int(np.argmax(difference / [tolerance for tolerance, _ in rows])) if rows else 0
    tolerance, why = rows[step] if rows else (base, "no steps")
    detail = f"{len(rows)} steps, nearest to its tolerance at step {step}; {why}"
    return check(name, float(difference[step]) if rows else math.inf, tolerance, detail)


def _statistics(name: str, found: Trace, spread: Spread) -> Check:
    if not spread.reference.statistics:
        return check(f"statistics.{name}", 0.0, STATISTICS, "the net keeps no running statistics")
    difference, where = worst(found.statistics, spread.reference.statistics)
    tolerance, why = explained(STATISTICS, spread.of_statistics())
    return check(f"statistics.{name}", difference, tolerance, f"largest at {where or 'none'}; {why}")


def mixed(name: str, precision: str, found: Trace, spread: Spread) -> list[Check]:
    """The checks of one framework with 16 bits mixed in, against float64: everything within the noise of 16 bits.

    That noise is what one rounding of the start weights does, which they meet anyway, or the least error that any
    framework has. Nothing is held tighter than two roundings of a result.
    """
    reference, base = spread.reference, 4 * ROUNDOFF[precision]
    rows: dict[str, tuple[float, float, str]] = {}
    for kind, question in (("logits", "given"), ("evaluation", "after")):
        rows[kind] = relative(found.logits[question], reference.logits[question]), spread.of_logits(question), ""
    if reference.of("training"):
        difference, where = worst(found.of("training"), reference.of("training"), without_gradient(reference))
        rows["gradients"] = difference, spread.of_gradients(), f"largest at {where}; "
    if reference.statistics:
        difference, where = worst(found.statistics, reference.statistics)
        rows["statistics"] = difference, spread.of_statistics(), f"largest at {where}; "
    checks = [_losses(f"{precision}.losses.{name}", found, spread, base)]
    for kind, (difference, noise, where) in rows.items():
        tolerance, why = explained(base, noise)
        checks.append(check(f"{precision}.{kind}.{name}", difference, tolerance, where + why))
    return checks


# what proves anything -------------------------------------------------------------------------------------------------


def sensitivity(reference: Trace) -> Check:
    """Whether the reference can show a mistake at all: two nets that do nothing are the same."""
    logits = np.asarray(reference.logits["telling" if "telling" in reference.logits else "given"], "float64")
    spread, top = float(np.ptp(logits, axis=0).max(initial=0.0)), float(np.abs(logits).max(initial=0.0))
    gradients = reference.of("training")
    why = []
    if len(logits) > 1 and spread <= BLIND * top:
        why.append("all images give the same logits")
    if not any(np.any(array) for array in gradients.values()):
        why.append("all gradients are zero")
    says = "; ".join(why) or "images differ, and weights have gradients"
    return Check("telling", float(len(why)), 0.0, passed=not why, detail=says, decided=not why)


def exploded(reference: Trace) -> int | None:
    """The first step whose loss is no finite number, or the one after the last where the logits aren't; else None."""
    finite = np.isfinite(np.asarray(reference.losses["training"], "float64"))
    if finite.all():
        return None if np.isfinite(reference.logits["after"]).all() else len(finite)
    return int(np.argmin(finite))


def counts(source: Mapping[str, int], target: Mapping[str, int], unused: int = 0) -> list[Check]:
    """Parameters and trainable ones; unused ones (auxiliary heads) count on the side that carries them along."""
    checks = []
    for name in ("parameters", "trainable"):
        expected, found = source[name], target[name]
        detail = f"{found:,} of {expected:,}" + (f", {unused:,} of them unused" if unused else "")
        checks.append(check(name, float(abs(found - expected)), 0.0, detail))
    return checks


def first_apart(layers: Sequence[Any], found: Arrays, expected: Arrays) -> tuple[Any, float] | None:
    """The first layer, in order of the net, whose outputs differ by more than rounding may; and by how much.

    Args:
        layers: with a `path` each, as the nodes of a graph; several may share one.
        found, expected: outputs by path, float64; where the shapes differ, a layer's output is another node's in one
            of the libraries, and nothing is compared.
    """
    for layer in layers:
        one, other = found.get(layer.path), expected.get(layer.path)
        if one is not None and other is not None and one.shape == other.shape:
            difference = relative(one, other)
            if difference > in_float64(math.inf)[0]:
                return layer, difference
    return None
