"""Optimizer pages without a framework: the contract, and truths against steps worked out by hand."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from bakeoff import optimizers
from bakeoff.optimizers import page

WORDS = ["Settings", "SLOTS", "start", "truth", "to_torch", "to_keras", "read_slots", "write_slots", "CASES"]


@pytest.mark.parametrize("name", optimizers.names())
def test_the_page_is_whole(name: str) -> None:
    chosen = page(name)
    assert [word for word in WORDS if not hasattr(chosen, word)] == []
    assert chosen.__doc__.startswith(f"{name}: ")
    assert "\nFormula " in chosen.__doc__
    assert "\nTraps " in chosen.__doc__
    assert set(chosen.MUTATIONS) == {field.name for field in fields(chosen.Settings)}
    assert chosen.TOLERANCE["float64"] <= 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", optimizers.names())
def test_truth_keeps_the_dtype(name: str, dtype: str) -> None:
    w = np.ones(3, dtype)
    for settings in page(name).CASES.values():
        new, slots = page(name).truth(w, w, page(name).start(w), 1, 0.1, settings)
        assert new.dtype == dtype
        assert all(array.dtype == dtype for array in slots.values())


def test_the_rate_stays_outside_the_buffer_of_sgd() -> None:
    w, g = np.zeros(1), np.ones(1)
    slots, settings = page("sgd").start(w), page("sgd").Settings(momentum=0.9)
    w, slots = page("sgd").truth(w, g, slots, 1, 0.1, settings)
    w, slots = page("sgd").truth(w, g, slots, 2, 0.01, settings)
    assert w[0] == pytest.approx(-0.119)  # Keras's own form: -0.2


def test_the_first_step_of_adam_is_the_rate_times_the_sign() -> None:
    w, g = np.zeros(3), np.array([1e-3, -5.0, 0.0])
    new, _ = page("adam").truth(w, g, page("adam").start(w), 1, 0.01, page("adam").Settings())
    np.testing.assert_allclose(new, [-0.01, 0.01, 0.0], rtol=1e-4)


def test_adamw_shrinks_where_adam_adds_to_the_gradient() -> None:
    w, zero = np.ones(1), np.zeros(1)
    coupled, _ = page("adam").truth(w, zero, page("adam").start(w), 1, 0.01, page("adam").Settings(weight_decay=0.1))
    decoupled, _ = page("adamw").truth(
        w, zero, page("adamw").start(w), 1, 0.01, page("adamw").Settings(weight_decay=0.1)
    )
    assert coupled[0] == pytest.approx(1 - 0.01)
    assert decoupled[0] == pytest.approx(1 - 0.001)
