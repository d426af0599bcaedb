"""The learning-rate finder: where the loss falls fastest, and what a worker is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import small

from bakeoff.cli import main
from bakeoff.errors import UsageError
from bakeoff.recipe import load, to_toml
from bakeoff.training import rate_finder
from bakeoff.training.context import Context
from bakeoff.training.job import Job
from bakeoff.training.rate_finder import LOWEST, steepest
from bakeoff.workers.channel import Reporter

RATES = list(np.geomspace(1e-6, 1, 100))


def curve(middle: float, blown: float, noise: float = 0.0, seed: int = 0) -> list[float]:
    """Losses that fall from 2.3 to 0.3 around a rate, and grow beyond another."""
    draw = np.random.default_rng(seed).normal(0, noise, len(RATES)) if noise else np.zeros(len(RATES))
    return [
        2.3 - 2 / (1 + middle / rate) + 5 * max(0.0, rate / blown - 1) + e for rate, e in zip(RATES, draw, strict=True)
    ]


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("middle", [1e-4, 1e-3, 1e-2])
def test_a_rate_where_the_loss_falls(middle: float, noise: float) -> None:
    for seed in range(5):
        found = steepest(RATES, curve(middle, 20 * middle, noise, seed))
        assert middle / 3 < found < 10 * middle


def test_the_first_steps_do_not_decide() -> None:
    """A first loss far above the rest, which the mean needs some steps to forget: the README's own example."""
    losses = curve(1e-2, 0.2)
    losses[0], losses[1] = 3.5, 3.0
    assert steepest(RATES, losses) > 1e-3


def test_a_rate_near_the_least_loss_is_held_back() -> None:
    losses = [2.3 if rate < 0.1 else 2.3 - 20 * (rate - 0.1) if rate < 0.2 else 9.0 for rate in RATES]
    assert steepest(RATES, losses) <= 0.06


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [2.0],
        [2.3] * 100,
        list(np.linspace(2.3, 9, 100)),  # it only grows
        list(np.linspace(2.3, 1, 100)),  # it still falls at the end
    ],
)
def test_an_edge_is_refused(losses: list[float]) -> None:
    with pytest.raises(UsageError, match="no rate can be told"):
        steepest(RATES[: len(losses)], losses)


def worked(folder: Path, seed: int) -> dict[str, Any]:
    images = folder / "data"
    images = images if images.is_dir() else small(images, a=20, b=20).path
    job = Job(str(images), to_toml(load("mnist-mlp")), "torch", str(folder), seed).to_json()
    return rate_finder.work({}, Reporter(), job=job, steps=100)


def test_the_mean_of_three_sweeps_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as all of them came; what one of them says alone, here an edge, decides nothing."""
    curves = [curve(1e-3, 2e-2), curve(1e-3, 2e-2)[:90], list(np.linspace(2.3, 2.2, 100))]
    waiting = iter(curves)
    monkeypatch.setattr(rate_finder, "swept", lambda *_, **__: next(waiting))
    found = worked(tmp_path, 7)
    mean = np.mean([each[:90] for each in curves], axis=0).tolist()
    assert found["rate"] == steepest(RATES[:90], mean)
    assert len(found["rates"]) == len(found["losses"]) == 90
    edge = list(np.linspace(2.3, 2.2, 100))
    waiting = iter([edge, edge, edge, *curves])  # tried again from lower rates
    assert worked(tmp_path, 7)["rates"][0] == LOWEST / 100
    waiting = iter([edge] * 6)
    with pytest.raises(UsageError, match="no rate can be told"):
        worked(tmp_path, 7)


def test_no_sweep_of_a_seed_is_one_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps of seed, seed + 1 and seed + 2 had two in common with the next seed, and the same curve was given."""
    seeds: list[int] = []

    def sweep(context: Context, *_: object, **__: object) -> list[float]:
        seeds.append(context.job.seed)
        return curve(1e-3, 2e-2)

    monkeypatch.setattr(rate_finder, "swept", sweep)
    for seed in range(4):
        worked(tmp_path, seed)
    worked(tmp_path, 3)
    assert len(set(seeds)) == 12
    assert seeds[-3:] == seeds[-6:-3]


@pytest.mark.torch
def test_the_command_finds_a_rate_and_draws_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = small(tmp_path / "data", a=40, b=40).path
    plot = tmp_path / "rates.html"
    words = ["find-rate", str(images), "-r", "mnist-mlp", "--framework", "torch", "--steps", "30", "--json"]
    assert main([*words, "--plot", str(plot)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 1e-6 <= found["rate"] <= 1
    assert len(found["rates"]) == len(found["losses"]) <= 30
    for seed, same in (("0", True), ("1", False)):
        assert main([*words, "--seed", seed]) == 0
        assert (json.loads(capsys.readouterr().out)["losses"] == found["losses"]) == same
    assert "<svg" in plot.read_text()


def test_a_probe_has_no_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = small(tmp_path / "data", a=40, b=40).path
    assert (
        main(["find-rate", str(images), "-r", "photos-fast", "--framework", "torch", "--set", "input.size=[32,32]"])
        == 2
    )
    assert "no finetune phase" in capsys.readouterr().err
