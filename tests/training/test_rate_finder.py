"""The learning-rate finder: where the loss falls fastest, and what a worker is asked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rooms import small

from bakeoff.cli import main
from bakeoff.training.rate_finder import suggested


def test_the_steepest_place_before_the_least_loss() -> None:
    rates = list(np.geomspace(1e-6, 1, 61))
    losses = [2.3 - 2 / (1 + (1e-3 / rate) ** 2) + (rate > 0.1) * 50 * rate for rate in rates]
    assert suggested(rates, losses) == pytest.approx(1e-3, rel=0.3)
    assert suggested([], []) > 0
    assert suggested([1e-6, 1e-5], [1.0, 2.0]) == 1e-6


@pytest.mark.torch
def test_the_command_finds_a_rate_and_draws_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = small(tmp_path / "data", a=40, b=40).path
    plot = tmp_path / "rates.html"
    words = ["find-rate", str(images), "-r", "mnist-mlp", "--framework", "torch", "--steps", "30", "--json"]
    assert main([*words, "--plot", str(plot)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 1e-6 <= found["suggestion"] <= 1
    assert len(found["rates"]) == len(found["losses"]) <= 30
    assert "<svg" in plot.read_text()


def test_a_probe_has_no_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = small(tmp_path / "data", a=40, b=40).path
    assert (
        main(["find-rate", str(images), "-r", "photos-fast", "--framework", "torch", "--set", "input.size=[32,32]"])
        == 2
    )
    assert "no finetune phase" in capsys.readouterr().err
