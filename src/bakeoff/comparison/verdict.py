"""One sentence: are they the same, which is faster here, is the difference of accuracy real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.evaluation.statistics.paired import Paired

NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}
CLOSE = 1.1  # a ratio of times below it is no reason to choose


def verdict(
    passed: bool,
    checks: int,
    measured: Mapping[str, Mapping[str, Any]],
    paired: Mapping[str, Paired],
    blind: str = "",
) -> str:
    """The verdict.

    Args:
        blind: why the checks could not have failed; empty where they could.
        measured: by framework: step_ms, accuracy.
        paired: by framework other than the most accurate: that one against it, on the same images.
    """
    if blind:
        return f"Nothing is proved: {blind}, so that any two nets would have agreed."
    if not passed:
        return "Not the same network: a parity check failed, so speed and accuracy say nothing about the frameworks."
    order = sorted(measured, key=lambda name: measured[name]["step_ms"])
    fastest, next_one = order[0], order[1] if len(order) > 1 else None
    same = f"The same network in {_list([NAMES[name] for name in measured])} ({checks} checks passed)"
    if next_one is None:
        return f"{same}."
    ratio = measured[next_one]["step_ms"] / measured[fastest]["step_ms"]
    real = [name for name, result in paired.items() if result.better() is not None]
    best = max(measured, key=lambda name: measured[name]["accuracy"])
    accuracy = (
        f"no difference in accuracy is seen ({_range(measured)})"
        if not real
        else f"{NAMES[best]} is more accurate than {_list([NAMES[name] for name in real])} ({_range(measured)}), "
        "which rounding and dropout can do by chance, unless it repeats over seeds"
    )
    if ratio < CLOSE:
        both = "both" if len(order) == 2 else _list([NAMES[fastest], NAMES[next_one]]) + ", the fastest"
        return f"{same}; {accuracy}, and a step takes about as long in {both}: choose by what you deploy."
    return (
        f"{same}; {accuracy}, and a training step is {ratio:.1f} x faster in {NAMES[fastest]} "
        f"than in {NAMES[next_one]} on this machine: for these images, {NAMES[fastest]}."
    )


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _range(measured: Mapping[str, Mapping[str, Any]]) -> str:
    values = [row["accuracy"] for row in measured.values()]
    low, high = (f"{100 * value:.1f} %" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
