"""A comparison that is stopped within a training goes on from that training's checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bakeoff import recipe as recipes
from bakeoff.comparison.api import Comparison
from bakeoff.data.sample import write_digits
from bakeoff.errors import Cancelled
from bakeoff.rundir.readers import read_lines
from bakeoff.training.job import Job
from bakeoff.training.work import work
from bakeoff.workers.channel import Reporter


class Here:
    def __init__(self, at: int) -> None:
        self.at = at

    def call(self, _: str, listen: Any, **given: Any) -> Any:
        def heard(message: dict[str, Any]) -> None:
            if message.get("phase") == "finetune" and message["done"] >= self.at:
                reporter.cancel(143)
            listen(message)

        reporter = Reporter(heard)
        return work({}, reporter, **given)


@pytest.mark.torch
def test_a_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    write_digits(tmp_path / "digits")
    asked = recipes.to_toml(recipes.with_overrides(recipes.load("mnist-cnn"), ["phases.0.epochs=2"]))
    said: list[str] = []

    def train(name: str, at: int = 10**9) -> dict[str, Any]:
        job = Job(str(tmp_path / "digits"), asked, "torch", str(tmp_path / name / "torch"))
        reporter = Reporter(lambda message: said.append(message.get("text", "")))
        comparison = Comparison({"torch": job}, recipes.loads(asked), tmp_path / name, reporter)
        comparison.workers["torch"] = Here(at)  # type: ignore[assignment]
        return comparison._train("torch")

    with pytest.raises(Cancelled, match="stopped at step"):
        train("stopped", at=3)
    again, whole = train("stopped"), train("whole")
    assert said.count("training in torch, from its checkpoint") == 1
    assert again["weights_sha256"] == whole["weights_sha256"]
    steps = [row["step"] for row in read_lines(tmp_path / "stopped/torch/metrics.jsonl")]
    assert steps == list(range(len(steps)))
