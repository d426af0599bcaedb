"""The run folder: never written over, files whole or not at all, other schemas refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from bakeoff.errors import DataError, UsageError, VersionError
from bakeoff.files import write_text
from bakeoff.rundir.folder import Run
from bakeoff.rundir.machine import machine
from bakeoff.rundir.readers import read_json, read_lines, read_paths, read_predictions
from bakeoff.schemas import SCHEMA, Predictions


def predictions() -> Predictions:
    return Predictions(np.array([[1.0, 2.0], [3.0, -1.0]], "float32"), np.array([1, 0]), np.array([4, 7]))


def test_a_new_folder_and_an_empty_one_are_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("deep/new", "empty"):
        Run(tmp_path / name).create()
        assert (tmp_path / name / "predictions").is_dir()


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty") as caught:
        Run(tmp_path).create()
    assert str(tmp_path) in str(caught.value)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--run"):
        Run(tmp_path / "file").create()


def test_json_has_the_schema_and_comes_back(tmp_path: Path) -> None:
    run = Run(tmp_path / "run").create()
    run.json("run.json", {"classes": ["猫", "dog"], "accuracy": 0.5})
    assert read_json(run.path / "run.json") == {"schema": SCHEMA, "classes": ["猫", "dog"], "accuracy": 0.5}


@pytest.mark.parametrize("text", [f'{{"schema": {SCHEMA + 1}}}', '{"accuracy": 1}', "[1]", f'{{"schema": "{SCHEMA}"}}'])
def test_another_schema_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(VersionError, match=f"reads {SCHEMA}") as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).count("\n") <= 2


@pytest.mark.parametrize(("text", "says"), [(None, "not a finished run"), ('{"schema": 1', "can't be read")])
def test_a_missing_and_a_broken_file_name_themselves(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "run.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_text(path, "old")

    def no_space(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(DataError, match=r"no space left; this write needs 0\.0 kB"):
            write_text(path, "new, and longer")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.json"]
    write_text(path, "new")
    assert path.read_text() == "new"
    (tmp_path / "plain").write_text("")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode  # whoever may read other files may read it


def test_lines_are_appended_and_read_back(tmp_path: Path) -> None:
    run = Run(tmp_path / "run").create()
    for step in range(3):
        run.line("metrics.jsonl", {"step": step})
    run.flush()
    assert read_lines(run.path / "metrics.jsonl") == [{"step": 0}, {"step": 1}, {"step": 2}]
    run.close()
    run.line("metrics.jsonl", {"step": 3})
    run.close()
    assert [row["step"] for row in read_lines(run.path / "metrics.jsonl")] == [0, 1, 2, 3]
    assert read_lines(run.path / "epochs.jsonl") == []


def test_predictions_come_back_with_the_names_of_their_images(tmp_path: Path) -> None:
    run = Run(tmp_path / "run").create()
    run.predictions("test", predictions(), np.array(["a/1.png", "b/2.png"]))
    found, paths = read_predictions(run.path, "test"), read_paths(run.path, "test")
    assert found is not None
    assert paths is not None
    np.testing.assert_array_equal(found.logits, predictions().logits)
    np.testing.assert_array_equal(found.labels, [1, 0])
    np.testing.assert_array_equal(found.records, [4, 7])
    assert paths.tolist() == ["a/1.png", "b/2.png"]
    assert read_predictions(run.path, "validation") is None
    assert read_paths(run.path, "validation") is None


def test_the_machine_is_told_without_paths_users_or_hosts() -> None:
    text = json.dumps(machine())
    for secret in (os.uname().nodename, os.path.expanduser("~"), os.getcwd()):
        assert len(secret) < 3 or secret not in text
    assert set(machine()) >= {"bakeoff", "python", "system", "cpus", "numpy", "onnxruntime"}
