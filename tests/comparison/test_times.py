"""Ratios of times: none where there is none, found where there is one; on calm, drifting and busy machines."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from bakeoff.comparison.statistics import ratios
from bakeoff.comparison.statistics.holm import holm
from bakeoff.comparison.statistics.ratios import LEAST, decided, interval_of, precise, ratio_of
from bakeoff.seeds import rng
from bakeoff.timing.rounds import order

ROUNDS = 15


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratios, "RESAMPLES", 2000)


Machine = Callable[[np.random.Generator, int], np.ndarray]


def calm(draw: np.random.Generator, count: int) -> np.ndarray:
    return draw.normal(0, 0.01, count)


def drifting(draw: np.random.Generator, count: int) -> np.ndarray:
    """It grows 30 % slower over the run, in steps that come by chance, too."""
    return np.linspace(0, 0.3, count) + np.cumsum(draw.normal(0, 0.005, count)) + draw.normal(0, 0.01, count)


def busy(draw: np.random.Generator, count: int) -> np.ndarray:
    """One slot in eight meets another program, and takes up to several times as long."""
    return draw.standard_t(3, count) * 0.01 + (draw.random(count) < 0.125) * draw.exponential(0.3, count)


MACHINES = {"calm": calm, "drifting": drifting, "busy": busy}


def times(
    machine: Machine, draw: np.random.Generator, factors: dict[str, float], rounds: int = ROUNDS
) -> dict[str, list[list[float]]]:
    """What rounds in turns measure of contestants that are so many times as slow."""
    slots = 2 * len(factors)
    noise = iter(np.exp(machine(draw, rounds * slots)))
    found: dict[str, list[list[float]]] = {name: [] for name in factors}
    for number in range(rounds):
        row: dict[str, list[float]] = {name: [] for name in factors}
        for name in order(list(factors), number):
            row[name].append(factors[name] * next(noise))
        for name in factors:
            found[name].append(row[name])
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_a_contestant_beside_itself_is_no_other(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratios, "PROCESS", 0.0)  # without the allowance for two processes, which nothing here needs
    draw, alarms = rng(0, "machine", record=machine), 0
    for _ in range(1000):
        whole = times(MACHINES[machine], draw, {"a": 1.0, "a#2": 1.0}, 2 * ROUNDS)
        first = {name: rows[:ROUNDS] for name, rows in whole.items()}
        (found,) = decided(first if precise(first) else whole)  # as `tracks` adds rounds
        alarms += found.decided is not None
    assert alarms <= 20


@pytest.mark.parametrize("machine", ["calm", "drifting"])
def test_five_percent_are_found(machine: str) -> None:
    draw, found = rng(1, "machine", record=machine), []
    for _ in range(20):
        (one,) = decided(times(MACHINES[machine], draw, {"a": 1.0, "b": 1.05}))
        found.append(one.decided == "a" and one.interval[0] < 1.05 < one.interval[1])
    assert sum(found) >= 18


def test_on_a_busy_machine_nothing_below_its_noise_is_decided() -> None:
    draw, unsteady = rng(2, "machine"), 0
    for _ in range(50):
        (one,) = decided(times(busy, draw, {"a": 1.0, "b": 1.05}))
        assert one.decided is None or one.ratio - 1 > one.noise
        assert one.smallest > one.noise >= ratios.PROCESS
        unsteady += not one.steady
    assert unsteady > 10


def test_the_interval_holds_what_it_says() -> None:
    draw, held = rng(3, "machine"), 0
    for _ in range(300):
        found = times(calm, draw, {"a": 1.0, "b": 1.3})
        low, high = ratio_of("a", "b", found["a"], found["b"]).interval
        held += low <= 1.3 <= high
    assert held >= 292  # 297 are expected at 99 %; P(fewer than 292) is below 0.01


def test_with_several_the_decisions_hold_together() -> None:
    draw, alarms = rng(4, "machine"), 0
    for _ in range(100):
        alarms += any(one.decided for one in decided(times(calm, draw, dict.fromkeys("abcd", 1.0))))
    assert alarms <= 4
    order_of = {(one.a, one.b): one.decided for one in decided(times(calm, draw, {"a": 1.0, "b": 2.0, "c": 2.0}))}
    assert order_of == {("a", "b"): "a", ("a", "c"): "a", ("b", "c"): None}


def test_a_drift_within_rounds_favours_nobody() -> None:
    steady = {name: [[1.0, 1.0]] * ROUNDS for name in "ab"}
    slots = np.exp(np.linspace(0, 1, 4 * ROUNDS)).reshape(ROUNDS, 4)
    rows = [order(["a", "b"], number) for number in range(ROUNDS)]
    drifted = {
        name: [
            [t for t, who in zip(row, names, strict=True) if who == name]
            for row, names in zip(slots, rows, strict=True)
        ]
        for name in "ab"
    }
    for found in (steady, drifted):
        (one,) = decided(found)
        assert one.ratio == pytest.approx(1.0)
        assert one.decided is None


def test_too_few_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match=f">= {LEAST}"):
        ratio_of("a", "b", [[1.0, 1.0]] * (LEAST - 1), [[1.0, 1.0]] * (LEAST - 1))


def test_an_own_time_has_its_interval() -> None:
    middle, low, high = interval_of(times(calm, rng(5, "machine"), {"a": 7.0})["a"])
    assert low < middle < high
    assert middle == pytest.approx(7.0, rel=0.02)


def test_holm_is_the_published_example() -> None:
    # Holm's procedure by hand: 4 x 0.005, then 3 x 0.01, then 2 x 0.03, then 0.04 raised to what stands before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_orders_are_forth_and_back_and_begin_with_each() -> None:
    assert order(["a", "b"], 0) == ["a", "b", "b", "a"]
    assert order(["a", "b"], 1) == ["b", "a", "a", "b"]
    orders = [order(list("abc"), number) for number in range(3)]
    assert {one[0] for one in orders} == set("abc")
    assert all(one == one[::-1] for one in orders)
    assert all(sum(x == y for x, y in pairwise(one)) == 1 for one in orders)
