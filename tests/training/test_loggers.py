"""TensorBoard reads what a training logs, and the training is the same as without."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bakeoff
from bakeoff.data.sample import write_digits
from bakeoff.errors import UsageError
from bakeoff.rundir.loggers import Loggers
from bakeoff.training.loggers.mlflow import MLflow
from bakeoff.training.loggers.tensorboard import matrix, sheet

SHORT = ["phases.0.epochs=1", "phases.0.batch_size=64"]


@pytest.mark.torch
def test_tensorboard_reads_it_and_the_training_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    digits = tmp_path / "digits"
    write_digits(digits)
    plain, logged = (
        bakeoff.train(digits, "mnist-cnn", framework="torch", run=tmp_path / name, overrides=SHORT, options=options)
        for name, options in (("plain", bakeoff.Options()), ("logged", bakeoff.Options(loggers=["tensorboard"])))
    )
    assert plain.result["weights_sha256"] == logged.result["weights_sha256"]

    found = _events(logged.path / "tensorboard")
    tags = found.Tags()
    assert {"finetune/loss", "finetune/rate", "epoch/validation_accuracy", "final/test/accuracy"} <= set(
        tags["scalars"]
    )
    assert {"weights/conv1.kernel", "gradients/conv1.kernel"} <= set(tags["histograms"])
    assert tags["images"] == ["images/train", "confusion"]
    assert tags["graph"]
    assert len(found.Scalars("finetune/loss")) == logged.result["phases"][0]["steps"]
    assert b"conv1" in found.Graph().SerializeToString()


def _events(folder: Path) -> Any:
    sys.modules["tensorboard.compat.notf"] = ModuleType("notf")  # its own switch: read without TensorFlow
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return found


def test_an_unknown_logger_is_refused(tmp_path: Path) -> None:
    write_digits(tmp_path / "digits")
    with pytest.raises(UsageError, match="unknown logger 'tensorbord'; did you mean 'tensorboard'"):
        bakeoff.train(
            tmp_path / "digits", "mnist-cnn", run=tmp_path / "run", options=bakeoff.Options(loggers=["tensorbord"])
        )
    assert not (tmp_path / "run").exists()


def test_a_logger_that_fails_is_left_alone() -> None:
    class Broken:
        calls = 0

        def row(self, *_: Any) -> None:
            self.calls += 1
            raise OSError("no room")

    broken: Any = Broken()
    loggers = Loggers([("broken", broken)])
    loggers.tell("row", "metrics.jsonl", {})
    loggers.tell("row", "metrics.jsonl", {})
    assert broken.calls == 1
    assert not loggers


def test_mlflow_that_cannot_write_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(**_: Any) -> None:
        raise RuntimeError("plain folders are no longer written. Use a database.")

    fake = SimpleNamespace(start_run=refused, get_tracking_uri=lambda: "file:./mlruns")
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    with pytest.raises(UsageError, match=r"mlruns: plain folders are no longer written\.\nSet MLFLOW_TRACKING"):
        MLflow(tmp_path)


def test_images() -> None:
    page = sheet(np.zeros((7, 4, 4, 1), np.uint8))
    assert page.shape == (9, 24, 3)
    assert matrix(np.eye(3, dtype=int)).shape == (36, 36, 3)
