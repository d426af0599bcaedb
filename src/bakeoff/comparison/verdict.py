"""One sentence: are they the same, which is faster here, is the difference of accuracy real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff.comparison.contestants import USUAL
from bakeoff.evaluation.statistics.paired import Paired

NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}


def verdict(
    passed: bool,
    checks: int,
    measured: Mapping[str, Mapping[str, Any]],
    paired: Mapping[str, Paired],
    blind: str = "",
    ratios: Sequence[Mapping[str, Any]] = (),
    note: str = "",
    small: str = "",
) -> str:
    """The verdict.

    Args:
        blind: why the checks could not have failed; empty where they could.
        measured: by framework: step_ms, accuracy, accuracy_split.
        paired: by framework other than the most accurate: that one against it, on the same images.
        ratios: as `compare --json` has them.
        note: why accuracies aren't compared, where they aren't.
        small: why a step is too small to decide which framework is faster, where it is.
    """
    if blind:
        return f"Nothing is proved: {blind}, so that any two nets would have agreed."
    if not passed:
        return "Not the same network: a parity check failed, so speed and accuracy say nothing about the frameworks."
    same = f"The same network in {_list([NAMES[name] for name in measured])} ({checks} checks passed)"
    if len(measured) == 1:
        return f"{same}; {_modes(ratios)}."
    said = note or _accuracy(measured, paired)
    speed = f"the net is too small to say which framework is faster: {small}" if small else _speed(measured, ratios)
    return f"{same}; {said}, and {speed}."


def _accuracy(measured: Mapping[str, Mapping[str, Any]], paired: Mapping[str, Paired]) -> str:
    if any(row["accuracy"] is None for row in measured.values()):
        return "accuracy is unknown"
    real = [name for name, result in paired.items() if result.better() is not None]
    best = max(measured, key=lambda name: measured[name]["accuracy"])
    split = next(iter(measured.values())).get("accuracy_split", "test")
    figures = f"{_range(measured)}{' on the validation images, which is optimistic' if split == 'validation' else ''}"
    if not real:
        return f"no difference in accuracy is seen ({figures})"
    others = _list([NAMES[name] for name in real])
    return (
        f"{NAMES[best]} is more accurate than {others} ({figures}), "
        "which rounding and dropout can do by chance, unless it repeats over seeds"
    )


def _speed(measured: Mapping[str, Mapping[str, Any]], ratios: Sequence[Mapping[str, Any]]) -> str:
    """Which framework's step is faster, as `train` runs it, by the interval of their ratio."""
    contestant = {USUAL[name]: name for name in measured}
    rows = [r for r in ratios if r["what"] == "same_loader.step_ms" and {r["a"], r["b"]} <= set(contestant)]
    if not rows:
        return "their speed wasn't compared"
    order = sorted((name for name in measured if measured[name]["step_ms"]), key=lambda n: measured[n]["step_ms"])
    fastest, next_one = order[0], order[1]
    row = next(r for r in rows if {contestant[r["a"]], contestant[r["b"]]} == {fastest, next_one})
    if row["faster"] is None:
        both = "both" if len(order) == 2 else f"{NAMES[fastest]} and {NAMES[next_one]}, the fastest"
        return (
            f"a step takes about as long in {both} (a difference of {100 * row['smallest']:.0f} % would have been "
            "seen): choose by what you deploy"
        )
    ratio, low, high = faster_by(row)
    said = f"a training step is {ratio:.2f} x faster ({low:.2f} to {high:.2f}) in {NAMES[fastest]} than in "
    said += f"{NAMES[next_one]} on this machine"
    native = next(
        (r for r in ratios if r["what"] == "native_best.step_ms" and {r["a"], r["b"]} == {row["a"], row["b"]}), row
    )
    if native["faster"] == row["faster"]:
        return f"{said}: for these images, {NAMES[fastest]}"
    if native["faster"] is None:
        return (
            f"{said} with images in memory, but not seen to be with its own input pipeline: choose by what you deploy"
        )
    ratio, low, high = faster_by(native)
    return (
        f"{said} with images in memory; with each one's own input pipeline {NAMES[next_one]} is {ratio:.2f} x faster "
        f"({low:.2f} to {high:.2f}): for these images, {NAMES[next_one]}"
    )


def _modes(ratios: Sequence[Mapping[str, Any]]) -> str:
    """Of one framework alone: its modes, or one of them beside itself."""
    rows = [row for row in ratios if row["what"] == "same_loader.step_ms"]
    if not rows:
        return "one framework, one mode: there is nothing to compare"
    told = [row for row in rows if row["faster"]]
    if not told:
        smallest = max(row["smallest"] for row in rows)
        return f"no difference between {_list(_names(rows))} is seen (one of {100 * smallest:.0f} % would have been)"
    row = max(told, key=lambda one: faster_by(one)[0])
    ratio, low, high = faster_by(row)
    slower = row["b"] if row["faster"] == row["a"] else row["a"]
    return f"{row['faster']} takes steps {ratio:.2f} x faster ({low:.2f} to {high:.2f}) than {slower} on this machine"


def faster_by(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """How many times as fast the faster one is, and the interval: above 1 whichever way the ratio stands."""
    ratio, (low, high) = row["ratio"], row["interval"]
    return (ratio, low, high) if ratio > 1 else (1 / ratio, 1 / high, 1 / low)


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in (row["a"], row["b"])))


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _range(measured: Mapping[str, Mapping[str, Any]]) -> str:
    values = [row["accuracy"] for row in measured.values()]
    low, high = (f"{100 * value:.1f} %" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
