"""A comparison that is stopped within a training goes on from that training's checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bakeoff import recipe as recipes
from bakeoff.comparison.api import Comparison
from bakeoff.data.sample import write_digits
from bakeoff.errors import Cancelled
from bakeoff.rundir import checkpoint
from bakeoff.rundir.readers import read_lines
from bakeoff.training.job import Job
from bakeoff.training.work import work
from bakeoff.workers.channel import Reporter


class Here:
    """A worker of this process, which is asked to stop at a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def call(self, _: str, listen: Any, **given: Any) -> Any:
        reporter = Reporter(lambda message: stop(message))

        def stop(message: dict[str, Any]) -> None:
            if message.get("phase") == "finetune" and message["done"] >= self.at:
                reporter.cancel(143)
            listen(message)

        return work({}, reporter, **given)


@pytest.mark.torch
def test_a_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    write_digits(tmp_path / "digits")
    asked = recipes.to_toml(recipes.with_overrides(recipes.load("mnist-cnn"), ["phases.0.epochs=2"]))
    results = {}
    for name, stops in (("stopped", (3, 10**9)), ("whole", (10**9,))):
        said: list[str] = []
        run = tmp_path / name / "torch"
        jobs = {"torch": Job(str(tmp_path / "digits"), asked, "torch", str(run))}
        for at in stops:
            reporter = Reporter(lambda message, said=said: said.append(message.get("text", "")))  # type: ignore[misc]
            comparison = Comparison(jobs, recipes.loads(asked), tmp_path / name, reporter)
            comparison.workers["torch"] = Here(at)  # type: ignore[assignment]
            if at == 3:
                with pytest.raises(Cancelled, match="stopped at step"):
                    comparison._train("torch")
                found = checkpoint.last(run)
                assert found is not None and 0 < found["state"]["step"] < 40
            else:
                results[name] = comparison._train("torch")
        assert ("training in torch, from its checkpoint" in said) == (name == "stopped")
        steps = [row["step"] for row in read_lines(run / "metrics.jsonl")]
        assert steps == list(range(len(steps)))
    assert results["stopped"]["weights_sha256"] == results["whole"]["weights_sha256"]
    assert results["stopped"]["resumed_from"]
