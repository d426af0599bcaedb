"""`bakeoff.train` from images to a run folder, with torch in a worker."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from rooms import small

import bakeoff
from bakeoff.errors import BadFilesError, BakeoffError, Cancelled, DataError, UsageError, VersionError
from bakeoff.rundir.readers import read_json, read_lines, read_paths, read_predictions
from bakeoff.schemas import SCHEMA
from bakeoff.training.api import Trained, train
from bakeoff.training.options import Options

SETTINGS = ["phases.0.epochs=2", "phases.0.batch_size=32", "phases.0.schedule.peak=0.005"]

# What the issue of the command line promises; `wall_s` counts from the start of the user's process
KEYS = {
    "run",
    "framework",
    "backbone",
    "classes",
    "num_train",
    "validation",
    "test",
    "wall_s",
    "phases",
    "weights_sha256",
}


def fit(data: Path, run: Path, **more: Any) -> Trained:
    return train(data, "mnist-mlp", framework="torch", run=run, overrides=SETTINGS, options=Options(threads=1, **more))


@pytest.fixture(scope="module")
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def trained(digits: Path, tmp_path_factory: pytest.TempPathFactory, heard: list[dict[str, Any]]) -> Trained:
    return fit(digits, tmp_path_factory.mktemp("runs") / "first", listen=heard.append, began=time.time() - 1000)


@pytest.mark.torch
def test_digits_are_learned(trained: Trained) -> None:
    assert trained.result["test"]["accuracy"] > 0.8
    assert trained.accuracy == trained.result["test"]["accuracy"]
    low, high = trained.result["test"]["accuracy_interval"]
    assert low < trained.accuracy < high


@pytest.mark.torch
def test_the_same_seed_gives_the_same_weights_dropout_and_all(digits: Path, trained: Trained, tmp_path: Path) -> None:
    again = fit(digits, tmp_path / "again")
    assert again.result["weights_sha256"] == trained.result["weights_sha256"]
    assert (again.path / "metrics.jsonl").read_text() == (trained.path / "metrics.jsonl").read_text()


@pytest.mark.torch
def test_the_result_has_what_was_promised(digits: Path, trained: Trained) -> None:
    result = trained.result
    assert set(result) >= KEYS
    assert Path(result["run"]) == trained.path
    assert (result["framework"], result["model"], result["backbone"]) == ("torch", "mnist_mlp", None)
    assert result["classes"] == [str(digit) for digit in range(10)]
    assert result["num_train"] + result["num_validation"] + result["num_test"] == 1797
    assert 1000 < result["wall_s"] < 1600  # from where the user's process began
    (phase,) = result["phases"]
    assert set(phase) >= {"name", "wall_s", "images_per_s"}
    assert phase["name"] == "finetune"
    assert phase["images_per_s"] > 0
    assert len(result["weights_sha256"]) == 64
    assert json.loads(json.dumps(result)) == result


@pytest.mark.torch
def test_the_run_folder_is_complete(trained: Trained) -> None:
    assert read_json(trained.path / "run.json") == {"schema": SCHEMA, **trained.result}
    rows, epochs = (read_lines(trained.path / name) for name in ("metrics.jsonl", "epochs.jsonl"))
    steps = -(-trained.result["num_train"] // 32)
    assert [row["step"] for row in rows] == list(range(2 * steps))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert [row["epoch"] for row in epochs] == [0, 1]
    for split in ("validation", "test"):
        found, paths = read_predictions(trained.path, split), read_paths(trained.path, split)
        assert found is not None
        assert paths is not None
        assert len(found.logits) == len(paths) == trained.result[f"num_{split}"]
        assert [int(Path(path).parent.name) for path in paths.tolist()] == found.labels.tolist()
        accuracy = (found.logits.argmax(1) == found.labels).mean()
        assert accuracy == pytest.approx(trained.result[split]["accuracy"])
    environment = read_json(trained.path / "environment.json")
    assert "torch" in environment
    assert read_json(trained.path / "manifest.json")["splits"]["test"] == trained.result["num_test"]
    assert "epochs = 2" in (trained.path / "recipe.toml").read_text()
    assert not list(trained.path.rglob("*.tmp"))


@pytest.mark.torch
def test_the_model_of_the_run_predicts_what_was_judged(digits: Path, trained: Trained) -> None:
    found, paths = read_predictions(trained.path, "test"), read_paths(trained.path, "test")
    assert found is not None
    assert paths is not None
    rows = bakeoff.load(trained.path).predict([digits / path for path in paths.tolist()[:20]])
    assert [row["label"] for row in rows] == [str(label) for label in found.logits[:20].argmax(1)]


@pytest.mark.torch
def test_progress_is_heard_through_the_worker(trained: Trained, heard: list[dict[str, Any]]) -> None:
    train_lines = [message for message in heard if message.get("phase") == "finetune"]
    assert train_lines[-1]["done"] == train_lines[-1]["total"] == 2 * trained.result["num_train"]
    assert sum(message["kind"] == "log" for message in heard) >= 2


@pytest.mark.torch
def test_a_training_starts_from_the_weights_of_another(digits: Path, trained: Trained, tmp_path: Path) -> None:
    further = fit(digits, tmp_path / "further", start=trained.path)
    first, last = (read_lines(path / "metrics.jsonl") for path in (trained.path, further.path))
    assert last[0]["loss"] < 0.5 * first[0]["loss"]


@pytest.mark.torch
def test_a_bad_image_stops_before_training_and_leaves_nothing(tmp_path: Path) -> None:
    data = Path(small(tmp_path / "data", a=6, b=6).path)
    (data / "a" / "notes.png").write_text("no image")
    with pytest.raises(BadFilesError) as caught:
        fit(data, tmp_path / "run")
    assert [Path(path).name for path, _ in caught.value.files] == ["notes.png"]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("steps", [0, 1])
def test_a_training_that_breaks_off_keeps_its_metrics_and_nothing_less(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    from bakeoff.training import api

    def breaks_off(job: Any, *rest: Any) -> dict[str, Any]:
        (Path(job.run) / "recipe.toml").write_text(job.recipe)
        if steps:
            (Path(job.run) / "metrics.jsonl").write_text('{"step": 0}\n')
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "_work", breaks_off)
    with pytest.raises(Cancelled if steps else KeyboardInterrupt):  # with the line that goes on, if it can
        fit(digits, tmp_path / "run")
    assert (tmp_path / "run").exists() == bool(steps)
    if steps:
        assert read_lines(tmp_path / "run" / "metrics.jsonl") == [{"step": 0}]
        with pytest.raises(DataError, match="not a finished run"):
            read_json(tmp_path / "run" / "run.json")


# Refused before anything is read: no worker starts --------------------------------------------------------------------


def test_a_run_folder_in_use_is_refused(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        train(digits, "mnist-cnn", framework="torch", run=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"options": Options(precision="float8")}, UsageError, "--precision float8"),
        ({"options": Options(precision="float16"), "device": "cpu"}, UsageError, "--precision float16 is for a GPU"),
        ({"options": Options(precision="bfloat16"), "recipe": "photos-fast"}, UsageError, "only probes"),
        ({"options": Options(compile="yes")}, UsageError, "--compile yes"),
        ({"device": "tpu"}, UsageError, "--device tpu"),
        ({"framework": "onnxruntime"}, UsageError, "can't fine-tune"),
        ({"framework": "mxnet"}, BakeoffError, "mxnet"),
        ({"overrides": ["phases.0.epoch=1"]}, UsageError, "epoch"),
        ({"overrides": ["schema=99"]}, VersionError, "99"),
        ({"phases": ["probes"]}, UsageError, "probes"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    digits: Path, tmp_path: Path, settings: dict[str, Any], kind: type[BakeoffError], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught:
        train(digits, **{"recipe": "mnist-cnn", "run": tmp_path / "run", **settings})
    assert str(caught.value).count("\n") <= 2
    assert not (tmp_path / "run").exists()


def test_data_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        train(tmp_path / "nowhere", "mnist-cnn", framework="torch", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_probe_alone_needs_no_framework_and_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bakeoff.training import api

    data = Path(small(tmp_path / "data", a=12, b=12).path)
    monkeypatch.setattr(api.frameworks, "installed", lambda: ())
    monkeypatch.setattr(api, "Worker", None)
    settings = ["input.size=[32,32]", "data.split.train=0.6", "data.split.validation=0.2", "data.split.test=0.2"]
    said: list[str] = []
    options = Options(listen=lambda message: said.append(str(message)))
    found = train(data, "photos", run=tmp_path / "run", overrides=settings, options=options)
    assert [phase["name"] for phase in found.result["phases"]] == ["probe"]
    assert any("fine-tuning was left out: it needs a training framework" in line for line in said)
    assert "finetune" not in (tmp_path / "run" / "recipe.toml").read_text()
    assert found.result["framework"] == "onnxruntime"
    assert found.result["phases"][0]["features"]["cached"] is False
    again = train(data, "photos", run=tmp_path / "again", overrides=settings)
    assert again.result["phases"][0]["features"]["cached"] is True
    assert again.result["weights_sha256"] == found.result["weights_sha256"]
    with pytest.raises(UsageError, match="no training framework is installed"):
        train(data, "mnist-cnn", run=tmp_path / "third")
