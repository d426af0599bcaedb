"""What fits into a time is planned before it starts, and what doesn't is named with the time that it needs."""

from __future__ import annotations

from typing import Any

import pytest

from bakeoff.comparison.planning import ROUNDS, Plan, comparable, plan, shortened, training_seconds
from bakeoff.comparison.statistics.ratios import LEAST
from bakeoff.comparison.wanted import check_numbers, entrants_of
from bakeoff.errors import UsageError
from bakeoff.recipe import load

RECIPE = load("mnist-cnn")  # ten epochs in batches of 64
STEPS = {"torch": 0.1, "tensorflow": 0.1}
COUNTS = (6400, 0)  # 100 steps, 10 s an epoch, 100 s a training


def planned(budget: float | None, **more: Any) -> Plan:
    given = {"contestants": 2, "seeds": 1, "predict": False, "tracks": ("same_loader", "native_best")}
    return plan(RECIPE, STEPS, COUNTS, **{**given, **more}, budget=budget)


def test_a_training_is_its_steps() -> None:
    assert training_seconds(RECIPE, 0.1, COUNTS) == pytest.approx((100.0, 10.0))


def test_without_a_budget_nothing_is_left_out() -> None:
    found = planned(None, seeds=3, predict=True)
    assert (found.seeds, found.predict, found.trains, found.epochs, found.left_out) == (3, True, True, None, [])
    assert found.rounds == {"same_loader": ROUNDS, "native_best": ROUNDS}
    assert found.seconds > 600


def test_what_is_asked_first_goes_first() -> None:
    found = planned(500, seeds=2)
    assert (found.trains, found.epochs, found.seeds) == (True, None, 1)
    assert found.left_out == [{"what": "1 more seed", "seconds": pytest.approx(200.0)}]
    assert "left out: 1 more seed, which needs 3 min 20 s" in found.lines(500)


def test_a_long_training_is_shortened() -> None:
    found = planned(200)
    assert found.trains
    assert found.epochs is not None
    assert 1 <= found.epochs < 10
    assert [one["what"] for one in found.left_out] == ["the whole training of each framework", "native best"]
    assert f", {found.epochs} epoch" in found.lines(200)[0]
    assert shortened(RECIPE, found.epochs).phases[-1].epochs == found.epochs  # type: ignore[union-attr]
    assert shortened(RECIPE, None) is RECIPE


def test_without_a_training_there_is_no_prediction() -> None:
    found = plan(
        RECIPE, {"torch": 30.0}, COUNTS, contestants=1, seeds=1, predict=True, budget=2000, tracks=("same_loader",)
    )
    assert (found.trains, found.predict) == (False, False)
    assert {"what": "prediction", "seconds": 150.0} in found.left_out


def test_at_the_least_the_step_is_measured() -> None:
    found = planned(5, predict=True)
    assert found.rounds == {"same_loader": LEAST}
    assert not found.trains
    assert {one["what"] for one in found.left_out} == {
        "the whole training of each framework",
        "prediction",
        "native best",
    }


def test_what_one_engine_computes_for_all_is_no_comparison() -> None:
    recipe, said = comparable(load("photos"))
    assert [phase.strategy for phase in recipe.phases] == ["probe", "finetune"]
    assert recipe.phases[-1].keep == "last"  # type: ignore[union-attr]
    assert len(said) == 2
    _, said = comparable(load("photos-fast"))
    assert "no framework trains" in said[-1]
    assert comparable(RECIPE) == (RECIPE, [])


def test_who_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.comparison.contestants.missing", lambda name: "")
    monkeypatch.setattr("bakeoff.frameworks.installed", lambda: ("torch", "tensorflow", "jax"))
    monkeypatch.setattr("bakeoff.frameworks.require", lambda name, purpose="": None)
    usual = ["torch-eager", "keras-tensorflow-graph"]
    assert entrants_of(None, None) == (["torch", "tensorflow"], usual)
    assert entrants_of(["pytorch", "tf"], None) == (["torch", "tensorflow"], usual)
    assert entrants_of(["jax"], None) == (["jax"], ["jax", "keras-jax"])
    assert entrants_of(["torch"], None)[1] == ["torch-eager", "keras-torch", "torch-compiled"]
    assert entrants_of(None, ["torch-eager", "torch-eager"]) == (["torch"], ["torch-eager", "torch-eager#2"])
    assert entrants_of(None, ["jax", "keras-torch"]) == (["jax", "torch"], ["jax", "keras-torch"])
    with pytest.raises(UsageError, match="two contestants or more"):
        entrants_of(None, ["torch-eager"])
    with pytest.raises(UsageError, match="did you mean 'torch-eager'"):
        entrants_of(None, ["torch-eagre", "jax"])


def test_with_one_framework_installed_its_modes_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.comparison.contestants.missing", lambda name: "")
    monkeypatch.setattr("bakeoff.frameworks.installed", lambda: ("jax",))
    monkeypatch.setattr("bakeoff.frameworks.require", lambda name, purpose="": None)
    assert entrants_of(None, None) == (["jax"], ["jax", "keras-jax"])


@pytest.mark.parametrize(
    ("seeds", "margin", "price", "option"),
    [
        (0, 0.02, None, "--seeds 0"),
        (1, 0.0, None, "--margin 0"),
        (1, 1.5, None, "--margin 1.5"),
        (1, 0.1, -1, "--price"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(seeds: int, margin: float, price: float | None, option: str) -> None:
    with pytest.raises(UsageError, match=option):
        check_numbers(seeds, margin, price)
