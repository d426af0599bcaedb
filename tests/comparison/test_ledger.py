"""Published comparisons: the articles' files, what a switch does, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bakeoff
from bakeoff.comparison import articles
from bakeoff.comparison.ledger import _nets, effect, verdict
from bakeoff.errors import UsageError
from bakeoff.models import mnist_cnn
from bakeoff.recipe import to_toml

FAST = ("phases.0.epochs=1",)


@pytest.mark.parametrize("number", articles.names())
def test_an_article_is_told_in_both_languages_and_its_switches_lead_to_the_fair_side(number: str) -> None:
    """With every switch turned, the other side is the fair one's recipe: nothing is left but the framework."""
    page = articles.load(number)
    for text in (page.TITLE, page.INTRO, page.NOTES, *(switch.text for switch in page.SWITCHES)):
        assert sorted(text) == ["en", "zh"]
        assert all(text.values())
    nets = _nets(page, ())
    trained = [switch.key for switch in page.SWITCHES if not switch.served]
    if trained:
        last = nets["all" if "all" in nets else trained[0]]
        assert last.recipe == nets["fair"].recipe
        alone = {key: to_toml(nets[key].recipe) for key in trained}
        assert len({to_toml(nets["other"].recipe), *alone.values()}) == 1 + len(trained), "a switch changes nothing"


def test_both_nets_of_article_002_have_their_parameters() -> None:
    """2,174 and 1,198 on MNIST, as the article has them; with padding and batch norm switched, the first."""
    nets = _nets(articles.load("002"), ())

    def count(key: str) -> int:
        graph = mnist_cnn.build(**nets[key].recipe.model.arguments)  # type: ignore[arg-type]
        return sum(p.array.size for p in graph.parameters.values() if p.role == "weight")

    assert (count("fair"), count("other"), count("all")) == (2174, 1198, 2174)


def test_an_effect_is_of_the_same_images() -> None:
    before, after = np.array([1, 1, 0, 0] * 50, bool), np.array([1, 1, 1, 0] * 50, bool)
    found = effect([after], [before])
    assert found["effect"] == 0.25
    assert found["effect_interval"][0] > 0.15
    several = effect([after, before, after], [before, before, before])
    assert several["effect"] == pytest.approx(0.5 / 3)
    assert several["effect_seeds"] == [0.0, 0.25]
    assert effect([before], [before])["effect_interval"][0] < 0 < effect([before], [before])["effect_interval"][1]


def test_an_interval_over_several_seeds_holds_the_truth() -> None:
    """95 % of 400 simulations, within three standard errors: images differ in difficulty, seeds share them."""
    draw, held, truth = np.random.default_rng(1), 0, 0.05
    for _ in range(400):
        hard = draw.random(500)
        pairs = [[hard + draw.normal(0, 0.1, 500) < level for level in (0.85, 0.8)] for _ in range(3)]
        low, high = effect([a for a, _ in pairs], [b for _, b in pairs])["effect_interval"]
        held += low <= truth <= high
    assert held / 400 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)


def _found(effects: dict[str, tuple[float, float, float]], left: tuple[float, float, float]) -> dict[str, Any]:
    def row(at: tuple[float, float, float]) -> dict[str, Any]:
        return {"effect": at[0], "effect_interval": [at[1], at[2]]}

    return {
        "num": 10_000,
        "published": {"fair": {"accuracy": 0.98}, "other": {"accuracy": 0.97}, "gap": row((0.01, 0.008, 0.012))},
        "rows": [{"key": key, **row(at)} for key, at in effects.items()],
        "remaining": row(left),
        "texts": {"en": {"choices": {key: f"the {key}" for key in effects}}},
    }


def test_the_verdict_names_the_largest_choice_and_what_is_left() -> None:
    said = verdict(_found({"rate": (0.006, 0.004, 0.008), "pixels": (0.001, -0.001, 0.003)}, (0.0, -0.002, 0.002)))
    assert "98.00 % against 97.00 % of 10,000 test images, +1.00 points (+0.80 to +1.20)" in said
    assert "the rate (+0.60 points" in said
    assert said.endswith("none that these images show.")
    assert "No single choice" in verdict(_found({"rate": (0.001, -0.001, 0.003)}, (0.0, -0.002, 0.002)))


@pytest.mark.tensorflow
def test_a_net_that_is_asked_about_other_pixels_than_it_was_trained_on(digits: Path, tmp_path: Path) -> None:
    """Article 003 from images to its page: one training, the trap, and a folder that goes on."""
    found = bakeoff.as_published(digits, "003", run=tmp_path / "run", overrides=FAST)
    (row,) = found.result["rows"]
    assert row["key"] == "served"
    fair, other = (found.result["published"][side]["accuracy"] for side in ("fair", "other"))
    assert fair - other == pytest.approx(row["effect"])
    assert fair > other
    assert found.result["remaining"]["effect"] == 0
    for lang, word in (("en", "Official models"), ("zh", "官方模型")):
        page = bakeoff.report(tmp_path / "run", tmp_path / f"{lang}.html", lang=lang).read_text(encoding="utf-8")
        assert word in page
        assert f"{100 * row['effect']:+.2f}" in page
    before = (tmp_path / "run" / "other-0" / "run.json").stat().st_mtime_ns
    assert bakeoff.as_published(digits, "003", run=tmp_path / "run", overrides=FAST).result == found.result
    assert (tmp_path / "run" / "other-0" / "run.json").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="Choose another folder"):
        bakeoff.as_published(digits, "003", run=tmp_path / "run", overrides=("phases.0.epochs=2",))


def test_an_unknown_article_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one of 000, 001, 002, 003, 004"):
        bakeoff.as_published(tmp_path, "005")


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.torch
@pytest.mark.parametrize("number", ["000", "001", "002"])
def test_a_whole_ledger(number: str, digits: Path, tmp_path: Path) -> None:
    """Every net trained, every time measured; what is left between fair sides is the frameworks' own rounding."""
    more = ("input.size=[32,32]",) if number != "002" else ()
    found = bakeoff.as_published(digits, number, run=tmp_path / "run", overrides=(*FAST, *more), seeds=2).result
    assert all("time_ratio" in row for row in found["rows"])
    low, high = found["remaining"]["effect_interval"]
    assert low <= 0 <= high
