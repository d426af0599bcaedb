"""The scale of float16's loss: halves where a step overflows, doubles after many that didn't."""

from __future__ import annotations

import numpy as np

from bakeoff.frameworks._loss_scale import FIRST, PATIENCE, after


def test_an_overflow_halves_and_is_counted() -> None:
    state = after(np, {**FIRST, "good": 7.0}, False)
    assert {k: float(v) for k, v in state.items()} == {"scale": 2.0**15, "good": 0, "skipped": 1}


def test_many_good_steps_double() -> None:
    state = dict(FIRST)
    for _ in range(PATIENCE - 1):
        state = after(np, state, True)
    assert float(state["scale"]) == FIRST["scale"]
    state = after(np, state, True)
    assert {k: float(v) for k, v in state.items()} == {"scale": 2.0**17, "good": 0, "skipped": 0}


def test_never_below_one() -> None:
    state = dict(FIRST)
    for _ in range(40):
        state = after(np, state, False)
    assert float(state["scale"]) == 1
    assert float(state["skipped"]) == 40
