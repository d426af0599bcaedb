"""The learning rate of every step: closed forms, the warm-up, the ends."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import UsageError
from bakeoff.recipe.schema import ScheduleSettings
from bakeoff.training.schedules import constant, cosine, one_cycle, schedule
from bakeoff.training.schedules import step as step_module


def test_constant_is_the_peak_everywhere() -> None:
    assert [constant.rate(step, 5, peak=0.1) for step in range(5)] == [0.1] * 5


def test_cosine_has_the_values_of_its_formula() -> None:
    # CosineAnnealingLR(lr=0.1, T_max=10), computed with torch in float64; keras in float32 has 0.0975528285 at step 1.
    rates = [cosine.rate(step, 10, peak=0.1) for step in (0, 1, 5, 9)]
    assert rates == pytest.approx([0.1, 0.09755282581475769, 0.05, 0.0024471741852423235], rel=1e-14)


def test_cosine_stays_at_its_end() -> None:
    assert [cosine.rate(step, 10, peak=0.1, end=0.01) for step in (10, 11, 99)] == [0.01] * 3


@pytest.mark.parametrize("module", [constant, cosine])
def test_warmup_rises_linearly_and_the_first_step_moves(module: object) -> None:
    rates = [module.rate(step, 20, peak=0.4, warmup_steps=4) for step in range(5)]  # type: ignore[attr-defined]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4], rel=1e-15)


@given(
    total=st.integers(1, 500),
    warmup=st.integers(0, 500),
    peak=st.floats(1e-6, 10),
    share=st.floats(0, 1),
)
def test_cosine_never_leaves_its_bounds_and_falls_after_the_warmup(
    total: int, warmup: int, peak: float, share: float
) -> None:
    warmup, end = min(warmup, total), peak * share
    rates = [cosine.rate(step, total, peak=peak, warmup_steps=warmup, end=end) for step in range(total + 1)]
    assert all(0 < rate <= peak * (1 + 1e-15) for rate in rates[:warmup])
    assert all(end * (1 - 1e-12) <= rate <= peak * (1 + 1e-12) for rate in rates[warmup:])
    assert all(
        later <= earlier * (1 + 1e-12) for earlier, later in zip(rates[warmup:], rates[warmup + 1 :], strict=False)
    )


def test_schedule_counts_the_warmup_in_epochs() -> None:
    rate = schedule(ScheduleSettings(name="cosine", peak=0.2, warmup_epochs=0.5), steps_per_epoch=8, epochs=2)
    assert rate(0) == pytest.approx(0.05)
    assert rate(3) == pytest.approx(0.2)
    assert rate(10) == pytest.approx(0.1 * (1 + math.cos(math.pi * 6 / 12)))


def test_schedule_refuses_unknown_names_and_empty_epochs() -> None:
    with pytest.raises(UsageError, match="did you mean 'cosine'"):
        schedule(ScheduleSettings(name="cosin"), 1, 1)
    with pytest.raises(ValueError, match="at least 1"):
        schedule(ScheduleSettings(), 0, 1)
    with pytest.raises(ValueError, match="step -1"):
        constant.rate(-1, 5, peak=0.1)


def test_one_cycle_has_the_values_of_torch() -> None:
    # torch.optim.lr_scheduler.OneCycleLR(SGD(lr=1), max_lr=0.5, total_steps=10), float64
    expected = [0.02, 0.26, 0.5, 0.4752423, 0.4058723, 0.3056302, 0.1943718, 0.0941297, 0.0247597, 2e-6]
    assert [one_cycle.rate(step, 10, peak=0.5) for step in range(10)] == pytest.approx(expected, abs=1e-6)


def test_one_cycle_rises_as_long_as_the_warmup_where_there_is_one() -> None:
    rates = [one_cycle.rate(step, 20, peak=0.5, warmup_steps=5) for step in range(20)]
    assert rates.index(max(rates)) == 4
    assert max(rates) == 0.5


def test_steps_down_come_where_they_are_said_to() -> None:
    rates = [step_module.rate(step, 90, peak=1.0) for step in range(90)]
    assert rates[59] == 1.0
    assert rates[60] == rates[79] == pytest.approx(0.1)
    assert rates[80] == rates[89] == pytest.approx(0.01)
    assert step_module.rate(85, 90, peak=1.0, end=0.05) == 0.05
