"""The accuracies of a comparison: over seeds, in pairs, and never of the very same net on both sides."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bakeoff import recipe as recipes
from bakeoff.comparison import accuracies as room
from bakeoff.comparison.accuracies import accuracies
from bakeoff.comparison.api import Comparison, _same_net
from bakeoff.seeds import rng
from bakeoff.training.job import Job
from bakeoff.workers.channel import Reporter

NUM = 1000


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes runs of so many seeds, each right on a share of the images, with a curve of three epochs."""
    right: dict[Path, np.ndarray] = {}
    weights: dict[Path, str] = {}

    def make(same: bool = False, seeds: int = 1, **shares: float) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for name, share in shares.items():
            for seed in range(seeds):
                path = tmp_path / f"{name}-{seed}"
                path.mkdir()
                hard = rng(seed, "hard").permutation(NUM)  # the same images are hard for all
                right[path], weights[path] = hard < share * NUM, "one" if same else str(path)
                rows = [{"wall_s": 2.0, "validation_accuracy": share * k / 3} for k in (1, 2, 3)]
                (path / "epochs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
                found.setdefault(name, []).append(path)
        return found

    monkeypatch.setattr(room, "correct", lambda run, split: right[run])
    monkeypatch.setattr(room, "read_result", lambda run: SimpleNamespace(weights_sha256=weights[run]))
    return make


def test_equals_are_equal_and_say_within_what(runs: Any) -> None:
    found = accuracies(runs(torch=0.9, tensorflow=0.899), "test", 0.02)
    assert found["equivalent"] is True
    assert 0 < found["supported"] < 0.02
    assert found["torch"]["mean"] == 0.9
    assert found["torch"]["seeds"] == 1
    assert found["about"].startswith("these nets alone")
    assert found["pairs"][0]["better"] is None


def test_a_loss_is_a_loss(runs: Any) -> None:
    found = accuracies(runs(torch=0.9, tensorflow=0.8, jax=0.9), "test", 0.02)
    assert found["equivalent"] is False
    better = {(pair["a"], pair["b"]): pair["better"] for pair in found["pairs"]}
    assert better == {("torch", "tensorflow"): "torch", ("torch", "jax"): None, ("tensorflow", "jax"): "jax"}


def test_with_enough_seeds_the_claim_is_about_the_frameworks(runs: Any) -> None:
    found = accuracies(runs(seeds=5, torch=0.9, tensorflow=0.9), "test", 0.02)
    assert found["about"].startswith("the frameworks")
    assert found["torch"]["seeds"] == 5
    assert found["equivalent"] is True


def test_the_very_same_net_is_no_comparison(runs: Any) -> None:
    found = accuracies(runs(same=True, torch=0.9, tensorflow=0.9), "test", 0.02)
    assert found["equivalent"] is None
    assert found["pairs"][0]["same_net"]
    assert "one engine made the very same net" in _same_net(found)
    assert _same_net({"pairs": []}) == ""


def test_time_to_accuracy_is_to_the_best_that_all_come_to(runs: Any) -> None:
    found = accuracies(runs(torch=0.9, tensorflow=0.6), "test", 0.02)
    assert found["torch"]["target_accuracy"] == 0.6
    assert found["torch"]["time_to_accuracy_s"] == 4.0  # 0.6 after two of three epochs
    assert found["tensorflow"]["time_to_accuracy_s"] == 6.0


def test_a_further_seed_keeps_the_split_and_draws_all_else_anew(tmp_path: Path) -> None:
    recipe = recipes.load("mnist-cnn")
    job = Job("digits", recipes.to_toml(recipe), "jax", str(tmp_path / "jax"), seed=7)
    comparison = Comparison({"torch": job, "jax": job}, recipe, tmp_path, Reporter())
    first, second = comparison._job("jax", 0, None), comparison._job("jax", 1, 2)
    assert (first.seed, first.run) == (7, str(tmp_path / "jax"))
    assert (second.seed, second.run) == (8, str(tmp_path / "jax-seed2"))
    made = recipes.loads(second.recipe)
    assert made.data.frozen == str(tmp_path / "torch")
    assert made.phases[-1].epochs == 2  # type: ignore[union-attr]
