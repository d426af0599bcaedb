"""A search finds settings by the validation set alone, and goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

import bakeoff
from bakeoff import recipe as recipes
from bakeoff.data.sample import write_digits
from bakeoff.errors import BadFilesError, RecipeError, UsageError
from bakeoff.tuning.ranges import Between, OneOf, parse

RATES = {"phases.0.schedule.peak": "0.00001 | 0.01"}
SHORT = ["phases.0.epochs=2", "phases.0.batch_size=64"]


def test_ranges() -> None:
    assert parse("k", "0.001..0.1 log") == Between(0.001, 0.1, whole=False, log=True)
    assert parse("k", "8..64") == Between(8, 64, whole=True, log=False)
    assert parse("k", "1e-5..1") == Between(1e-5, 1, whole=False, log=False)
    assert parse("k", "sgd | adam") == OneOf(("sgd", "adam"))


@pytest.mark.parametrize("text", ["", "adam", "0.1..0.01", "0..1 log", "a | a", "a | "])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="search k="):
        parse("k", text)


def test_a_recipe_declares_ranges() -> None:
    text = '[model]\nname = "mnist_cnn"\n[[phases]]\nstrategy = "finetune"\n[tune]\n"phases.0.batch_size" = "16 | 32"\n'
    recipe = recipes.loads(text)
    assert recipe.tune == {"phases.0.batch_size": "16 | 32"}
    assert recipes.loads(recipes.to_toml(recipe)) == recipe


def test_nothing_to_search_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed")
    with pytest.raises(UsageError, match="no range to search"):
        bakeoff.tune(tmp_path, "mnist-cnn")


@pytest.mark.torch
def test_the_better_rate_wins_and_the_search_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed")
    pytest.importorskip("torch", reason="PyTorch is not installed")
    digits, run = tmp_path / "digits", tmp_path / "tuned"
    write_digits(digits)
    settings = {"framework": "torch", "run": run, "overrides": SHORT, "search": RATES}

    one = bakeoff.tune(digits, "mnist-cnn", trials=1, **settings)
    assert [row["state"] for row in one.result["trials"]] == ["complete"]
    more = bakeoff.tune(digits, "mnist-cnn", trials=4, **settings)
    assert len(more.result["trials"]) == 4
    assert more.result["trials"][0] == one.result["trials"][0]
    tried = {row["settings"]["phases.0.schedule.peak"] for row in more.result["trials"]}
    assert tried == {"0.00001", "0.01"}
    assert more.result["settings"] == {"phases.0.schedule.peak": "0.01"}
    assert recipes.load(run / "best.toml").phases[0].schedule.peak == 0.01  # type: ignore[union-attr]
    assert bakeoff.evaluate(run / "best", split="validation")["accuracy"] == more.result["validation"]["accuracy"]
    assert not list(run.glob("trial-*"))

    with pytest.raises(UsageError, match="another recipe, ranges or images"):
        bakeoff.tune(digits, "mnist-cnn", trials=4, **{**settings, "search": {"phases.0.batch_size": "16 | 32"}})


@pytest.mark.torch
def test_a_search_that_stopped_without_a_trial_leaves_its_folder_to_another(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed")
    pytest.importorskip("torch", reason="PyTorch is not installed")
    write_digits(tmp_path / "digits")
    (tmp_path / "digits/3/words.png").write_text("words")
    settings = {"framework": "torch", "run": tmp_path / "tuned", "search": RATES, "trials": 1, "recipe": "mnist-cnn"}
    with pytest.raises(BadFilesError):
        bakeoff.tune(tmp_path / "digits", **{**settings, "search": {SHORT[0][:15]: "2 | 3"}}, overrides=SHORT)
    tuned = bakeoff.tune(tmp_path / "digits", **settings, overrides=[*SHORT, "data.bad_files=exclude"])
    assert [row["state"] for row in tuned.result["trials"]] == ["complete"]


@pytest.mark.torch
def test_an_unknown_key_is_refused_and_leaves_no_trial(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed")
    write_digits(tmp_path / "digits")
    search = {"phases.0.schedule.peek": "0.1..0.2"}
    with pytest.raises(RecipeError, match="peek"):
        bakeoff.tune(tmp_path / "digits", "mnist-cnn", search=search, run=tmp_path / "tuned", framework="torch")
