"""Files that earlier versions wrote: this one reads them, or raises VersionError with what to do.

`0.1/` was written by version 0.1 before any room moved: a comparison of two frameworks, a training that was stopped,
one of several labels, an export of each format, a converted file with its certificate, a recipe. It is never made anew.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bakeoff
from bakeoff.errors import VersionError

YESTERDAY = Path(__file__).parent / "0.1"
EXPORTS = ("net.onnx", "net.keras", "net.pt2", "net.savedmodel")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy to work on: what is committed stays as it was."""
    return Path(shutil.copytree(YESTERDAY, tmp_path / "place"))


def test_a_run_is_a_model_with_the_same_answers(place: Path) -> None:
    found = bakeoff.evaluate(place / "comparison" / "torch", place / "digits", split="all")
    said = json.loads((place / "comparison" / "torch" / "run.json").read_text(encoding="utf-8"))
    assert found["classes"] == said["classes"]
    assert found["num"] == said["num_train"] + said["num_validation"] + said["num_test"] == 96
    scored = bakeoff.evaluate(place / "comparison" / "torch", place / "digits")
    assert scored["num"] == said["test"]["num"]
    assert scored["accuracy"] == said["test"]["accuracy"]


def test_a_run_of_several_labels_is_scored(place: Path) -> None:
    assert bakeoff.load(place / "multilabel").classes == ("even", "odd", "round")
    found = _bakeoff(place, "evaluate", "multilabel", "labels.csv", "--label-separator", "|", "--json")
    said = json.loads((place / "multilabel" / "run.json").read_text(encoding="utf-8"))
    scored = json.loads(found)
    assert scored["mean_average_precision"] == pytest.approx(said["test"]["mean_average_precision"], abs=1e-6)


@pytest.mark.parametrize("run", ["comparison", "comparison/torch", "comparison/tensorflow", "multilabel"])
def test_runs_and_comparisons_have_reports(place: Path, run: str) -> None:
    _bakeoff(place, "report", run)
    page = (place / run / "report.html").read_text(encoding="utf-8")
    assert "</html>" in page


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_predict_what_their_bundle_does(place: Path, name: str) -> None:
    asked = ("digits/0", "digits/1", "--json")
    rows = [_rows(_bakeoff(place, "predict", source, *asked)) for source in (f"exports/{name}", "comparison/torch")]
    assert len(rows[0]) == 48
    for row, expected in zip(*rows, strict=True):
        assert row["label"] == expected["label"]
        assert row["probability"] == pytest.approx(expected["probability"], abs=1e-4)


def test_a_certificate_is_run_again(place: Path) -> None:
    assert json.loads(_bakeoff(place, "verify", "converted.keras.certificate.json", "--json"))["passed"] is True


def test_a_stopped_training_goes_on(place: Path) -> None:
    result = json.loads(_bakeoff(place, "train", "digits", "--resume", "interrupted", "--json"))
    assert result["resumed_from"] is not None
    rows = (place / "interrupted" / "epochs.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == list(range(300))


def test_a_recipe_is_read(place: Path) -> None:
    from bakeoff.recipe import load, to_toml

    text = (place / "photos.toml").read_text(encoding="utf-8")
    later = to_toml(load(str(place / "photos.toml"))).splitlines()
    added = [line for line in later if line not in text.splitlines()]
    assert [line for line in later if line not in added] == text.strip().splitlines()
    assert added == ['title_zh = ""', "follow_links = false"], "what a later version adds changes nothing"


@pytest.mark.parametrize("name", ["comparison/torch/run.json", "comparison/torch/bundle/bundle.json"])
def test_a_later_schema_is_refused_by_its_number(place: Path, name: str) -> None:
    path = place / name
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"schema": 99}), encoding="utf-8")
    with pytest.raises(VersionError, match="99"):
        bakeoff.load(place / "comparison" / "torch")


def _bakeoff(place: Path, *words: str) -> str:
    command = [sys.executable, "-m", "bakeoff", *words]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rows(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]
