"""Each verb's JSON and human output, in this process."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, write_photos

from bakeoff import frameworks, models, recipe
from bakeoff.errors import MissingDependencyError

NUMBER = (int, float)


def has(value: dict[str, Any], **kinds: Any) -> None:
    """The keys are there, of these types."""
    for key, kind in kinds.items():
        assert isinstance(value[key], kind), f"{key}: {value[key]!r}"


def test_train_json(command: Command, photos: Path, tmp_path: Path) -> None:
    said = command("train", photos, "--framework", "onnxruntime", "--run", tmp_path / "run", "--seed", 3, "--json")
    value = said.value
    assert (said.code, value["schema"], value["seed"]) == (0, 1, 3)
    assert value["classes"] == ["狗", "猫"]
    has(value, run=str, framework=str, backbone=str, num_train=int, wall_s=float, weights_sha256=str, phases=list)
    has(value["validation"], accuracy=float)
    has(value["test"], accuracy=float)
    for phase in value["phases"]:
        has(phase, name=str, wall_s=float, images_per_s=float)
    assert value == json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))


def test_train_without_a_test_split_has_null(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    write_photos(folder / "train")
    said = command("train", folder, "--framework", "onnxruntime", "--run", tmp_path / "run", "--json")
    assert said.code == 0, said.err
    assert said.value["test"]["accuracy"] is None


def test_train_for_people(command: Command, photos: Path, tmp_path: Path) -> None:
    said = command("train", photos, "--framework", "onnxruntime", "--run", tmp_path / "run")
    assert said.code == 0
    assert "95 % interval" in said.out
    assert f"bakeoff predict {tmp_path / 'run'}" in said.out
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.skipif(frameworks.version("torch") is None, reason="PyTorch is not installed")
def test_train_as_a_process_keeps_stdout_for_the_object(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "cats")
    words = ["--recipe", "mnist-cnn", "--framework", "torch", "--set", "phases.0.epochs=2", "--threads", "1"]
    line = [sys.executable, "-m", "bakeoff", "train", str(folder), *words, "--run", str(tmp_path / "run"), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    (row,) = done.stdout.splitlines()
    value = json.loads(row)
    assert value["framework"] == "torch"
    assert "epoch 2/2" in done.stderr
    # From the start of the process: more than the phases, which are inside it.
    assert value["wall_s"] > sum(phase["wall_s"] for phase in value["phases"])
    steps = [json.loads(step) for step in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all({"step", "loss"} <= set(step) for step in steps)


def test_evaluate_json(command: Command, photos: Path, trained: Path) -> None:
    value = command("evaluate", trained, photos, "--json").value
    has(value, schema=int, accuracy=float, accuracy_interval=list, num=int, per_class=list, confusion=list, split=str)
    low, high = value["accuracy_interval"]
    assert 0 <= low <= value["accuracy"] <= high <= 1
    assert [row["name"] for row in value["per_class"]] == ["狗", "猫"]
    assert sum(map(sum, value["confusion"])) == value["num"] == sum(row["num"] for row in value["per_class"])


def test_evaluate_sees_the_split_of_training(command: Command, photos: Path, trained: Path) -> None:
    fresh = command("evaluate", trained, photos, "--json").value
    kept = command("evaluate", trained, "--json").value
    run = json.loads((trained / "run.json").read_text(encoding="utf-8"))
    assert fresh["num"] == kept["num"] == run["num_test"]
    assert fresh["confusion"] == kept["confusion"]
    assert fresh["loss"] == pytest.approx(kept["loss"], rel=1e-4)
    assert command("evaluate", trained, photos, "--split", "all", "--json").value["num"] == 24


def test_evaluate_for_people(command: Command, photos: Path, trained: Path) -> None:
    said = command("evaluate", trained, photos)
    assert "recall" in said.out
    assert "猫" in said.out


def test_predict_json_is_a_line_a_image(command: Command, photos: Path, trained: Path) -> None:
    said = command("predict", trained, photos, "--json")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 0
    assert len(rows) == 24
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    for row in rows:
        has(row, schema=int, path=str, label=str, probability=float, top=list)
        assert row["top"][0] == [row["label"], row["probability"]]
        assert sum(share for _, share in row["top"]) == pytest.approx(1)


def test_predict_goes_on_after_a_bad_file(command: Command, photos: Path, trained: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    good = photos / "猫" / "0.png"
    said = command("predict", trained, good, bad, good, "--json")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 3
    assert [("error" in row, row["path"]) for row in rows] == [(False, str(good)), (True, str(bad)), (False, str(good))]
    assert "1 of 3 files" in said.err


def test_predict_draws_heat_maps(command: Command, photos: Path, trained: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    said = command("predict", trained, photos, "--heatmap", bad)
    assert (said.code, said.out) == (2, "")
    assert "bad.jpg: that is no folder" in said.err
    said = command("predict", trained, photos, bad, "--json", "--heatmap", tmp_path / "maps")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 3
    assert sorted(row["heatmap"] for row in rows if "error" not in row) == sorted(
        str(path) for path in (tmp_path / "maps").rglob("*.png")
    )
    assert len(rows) == 25


def test_predict_csv(command: Command, photos: Path, trained: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad, with a comma.jpg"
    bad.touch()
    said = command("predict", trained, photos / "猫", bad, "--csv", "--top", 9)
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert set(rows[0]) == {"path", "label", "probability", "error", "label_2", "probability_2"}
    assert rows[-1]["error"] == "empty (0 bytes)"
    assert rows[-1]["path"] == str(bad)
    assert float(rows[0]["probability"]) + float(rows[0]["probability_2"]) == pytest.approx(1)


def test_predict_for_people(command: Command, photos: Path, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "bad [1].png").touch()
    said = command("predict", trained, photos / "猫" / "0.png", photos / "狗" / "0.png", "--top", 1)
    assert said.out.split()[0:2] == ["in", f"{photos}/"]
    assert str(photos / "猫" / "0.png") not in said.out
    assert "猫/0.png" in said.out
    said = command("predict", trained, photos / "猫" / "0.png", tmp_path / "bad [1].png")
    assert "bad [1].png" in said.out
    assert "empty (0 bytes)" in said.out


def test_predict_draws(command: Command, photos: Path, trained: Path, tmp_path: Path) -> None:
    from PIL import Image

    said = command("predict", trained, photos, "--plot", tmp_path / "labels.png")
    assert said.code == 0, said.err
    with Image.open(tmp_path / "labels.png") as image:
        assert image.width > 500


def test_what_was_exported_predicts(command: Command, photos: Path, trained: Path, tmp_path: Path) -> None:
    made = tmp_path / "cats.onnx"
    value = command("export", trained, "--to", "onnx", "--output", made, "--json").value
    has(value, schema=int, run=str, format=str, output=str, size_bytes=int)
    assert value["size_bytes"] == made.stat().st_size
    direct = [json.loads(line) for line in command("predict", trained, photos, "--json").out.splitlines()]
    through = [json.loads(line) for line in command("predict", made, photos, "--json").out.splitlines()]
    assert [row["label"] for row in direct] == [row["label"] for row in through]
    pairs = zip(direct, through, strict=True)
    assert all(a["probability"] == pytest.approx(b["probability"], abs=1e-5) for a, b in pairs)


def test_models_json(command: Command) -> None:
    value = command("models", "--json").value
    found = {row["name"]: row for row in value["models"] if row["source"] == "bakeoff"}
    assert value["schema"] == 1
    assert set(found) == set(models.names())
    assert found["mnist_cnn"]["parameters"] == 2174
    backbone = found["efficientnet_lite0"]
    assert backbone["pretrained"]
    assert "Apache-2.0" in backbone["licence"]
    assert backbone["input_size"] == [224, 224, 3]
    assert backbone["stages"]
    assert "efficientnet_lite0" in command("models").out


def test_recipes(command: Command) -> None:
    value = command("recipes", "--json").value
    assert [row["name"] for row in value["recipes"]] == list(recipe.names())
    assert recipe.loads(command("recipes", "photos").out) == recipe.load("photos")
    assert command("recipes", "photos", "--json").value["recipe"]["seed"] == 0
    assert "mnist-cnn-small" in command("recipes").out


def test_doctor(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    value = command("doctor", "--json").value
    has(value, schema=int, python=str, cpu=str, cores=int, cache=str, libraries=list, missing=list, frameworks=list)
    monkeypatch.setattr(frameworks, "version", lambda name: None)
    said = command("doctor")
    assert said.code == 0
    assert "pip install 'bakeoff[torch]'" in said.out
    assert "torch" in command("doctor", "--json").value["missing"]


def test_doctor_says_where_tensorflow_has_no_wheels(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "NEWEST_PYTHON", {"tensorflow": (3, 10)})  # as 3.13 is to 3.14
    monkeypatch.setattr(frameworks, "version", lambda name: None)
    shown, here = command("doctor").out, f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"tensorflow has no wheels for Python {here}: use Python 3.10, or another" in " ".join(shown.split())
    assert "pip install 'bakeoff[torch]'" in shown
    with pytest.raises(MissingDependencyError, match=f"no wheels for Python {here}"):
        frameworks.require("tensorflow")


def test_doctor_knows_what_is_too_old(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.cli.doctor._least", lambda: {"torch": "2.10", "jax": "0.4.35"})
    monkeypatch.setattr(frameworks, "version", lambda name: {"torch": "2.9.1+cpu", "jax": "0.4.35"}.get(name))
    value = command("doctor", "--json").value
    assert value["too_old"] == ["torch"]
    assert value["frameworks"] == ["torch", "jax"]
    assert "pip install --upgrade 'bakeoff[torch]'" in command("doctor").out


def test_names_that_are_no_text(photos: Path, trained: Path, tmp_path: Path) -> None:
    """A Latin-1 file name, and a stdout that knows ASCII only."""
    import os

    odd = tmp_path / os.fsdecode(b"caf\xe9.png")
    try:
        odd.write_bytes((photos / "猫" / "0.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes text only")
    for encoding in ("utf-8", "ascii"):
        for option in ("--json", "--csv"):
            line = [sys.executable, "-m", "bakeoff", "predict", str(trained), str(odd), option]
            env = {**os.environ, "PYTHONIOENCODING": encoding}
            done = subprocess.run(line, capture_output=True, env=env)
            assert done.returncode == 0, done.stderr
            text = done.stdout.decode(encoding)
            if option == "--json":
                assert json.loads(text)["path"] == str(odd)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_bars_on_a_terminal_leave_stdout_alone(option: str, photos: Path, trained: Path) -> None:
    """Rich takes over stdout while it draws, unless it is told not to."""
    import os
    import pty
    import threading

    main, terminal = pty.openpty()
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                piece = os.read(main, 4096)
            except OSError:
                return
            if not piece:
                return
            shown.extend(piece)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    line = [sys.executable, "-m", "bakeoff", "predict", str(trained), str(photos), option]
    env = {**os.environ, "TERM": "xterm-256color"}
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=terminal, env=env, check=True)
    os.close(terminal)
    reader.join(5)
    os.close(main)
    assert len(done.stdout.splitlines()) == 24 + (option == "--csv")
    assert b"predict" in shown
    assert "猫".encode() not in shown


def test_data_sample(command: Command, tmp_path: Path) -> None:
    value = command("data", "sample", "digits", tmp_path / "digits", "--json").value
    assert value == {"schema": 1, "sample": "digits", "path": str(tmp_path / "digits"), "num": 1797}
    assert len(list((tmp_path / "digits").glob("*/*.png"))) == 1797
    assert command("data", "sample", "digits", tmp_path / "digits").code == 2
    assert "did you mean 'digits'?" in command("data", "sample", "digit", tmp_path / "more").err


def test_report(command: Command, trained: Path) -> None:
    said = command("report", trained, "--json")
    assert said.code == 0, said.err
    assert Path(said.value["report"]).read_text(encoding="utf-8").lower().startswith("<!doctype html>")


@dataclass(frozen=True)
class Compared:
    """What a comparison comes to."""

    result: dict[str, Any]
    path: Path = Path("runs/compared")


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 7)])
def test_compare(passed: bool, code: int, command: Command, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side = {"accuracy": 0.9, "accuracy_interval": [0.8, 0.95], "step_ms": 1.5, "images_per_s": 900.0}
    check = {"name": "logits.tensorflow", "difference": 1e-7, "tolerance": 1e-5, "passed": passed, "detail": "conv1"}
    result = {
        "run": "runs/compared",
        "parity": {"passed": passed, "checks": [check]},
        "frameworks": {name: {**side, "peak_memory_bytes": 5 * 10**8} for name in ("torch", "tensorflow")},
        "verdict": "The same network [proved].",
    }
    seen: dict[str, Any] = {}

    def compare(data: Path, recipe: str, **options: Any) -> Compared:
        seen.update(options, recipe=recipe)
        return Compared(result)

    reported: list[Path] = []
    monkeypatch.setattr("bakeoff.comparison.api.compare", compare)
    monkeypatch.setattr("bakeoff.reports.report", reported.append)
    said = command("compare", photos, "--recipe", "mnist-cnn", "--frameworks", "torch,tensorflow", "--json")
    assert (said.code, said.value) == (code, {"schema": 1, **result})
    assert reported == [Path("runs/compared")]
    assert (seen["frameworks"], seen["recipe"]) == (("torch", "tensorflow"), "mnist-cnn")
    said = command("compare", photos, "--contestants", "jax,jax", "--predict", "--price", "0.5")
    assert said.code == code
    assert "The same network [proved]." in said.out
    assert ("differs" in said.out) is not passed
    assert (seen["contestants"], seen["frameworks"]) == (("jax", "jax"), None)
    assert (seen["predict"], seen["price"], seen["seeds"], seen["margin"]) == (True, 0.5, 1, 0.02)


ROW = {"step_ms": 10.0, "images_per_s": 6400.0, "input_ms": 0.1, "compile_s": 2.0, "start_s": 3.0}
TABLES: dict[str, Any] = {
    "run": "runs/compared",
    "parity": {"passed": True, "checks": []},
    "frameworks": {"torch": {"accuracy": None, "step_ms": None, "images_per_s": None, "peak_memory_bytes": None}},
    "tracks": {
        "same_loader": {
            "torch-eager": {**ROW, "peak_memory_bytes": 5e8},
            "keras-tensorflow-graph": {**ROW, "step_ms": 15.0, "peak_memory_bytes": 8e8},
        }
    },
    "ratios": [
        {
            "a": "torch-eager",
            "b": "keras-tensorflow-graph",
            "what": "same_loader.step_ms",
            "ratio": 1.5,
            "interval": [1.4, 1.6],
            "smallest": 0.03,
            "faster": "torch-eager",
        }
    ],
    "predictions": {"onnx float32": {"ms": 2.0, "images_per_s": 500.0, "bytes": 9e6, "peak_memory_bytes": 2e8}},
    "needs": [{"need": "fastest training", "choice": None, "why": "too small to decide: [1]", "interval": None}],
    "left_out": [{"what": "2 more seeds", "seconds": 90.0}, {"what": "jax", "seconds": None, "why": "not here"}],
    "disturbed": 2,
    "accuracy_split": "validation",
    "plan": {"trains": False},
    "verdict": "The same network.",
}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_compare_shows_all_that_decides_at_any_width(
    width: int, command: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("bakeoff.comparison.api.compare", lambda *args, **options: Compared(TABLES))
    reported: list[Path] = []
    monkeypatch.setattr("bakeoff.reports.report", reported.append)
    said = command("compare", photos)
    assert said.code == 0
    assert not reported  # nothing was trained, and a report is made of trainings
    assert "report.html" not in said.out
    text = " ".join(said.out.split())
    for words in (
        "keras-tensorflow-graph",
        "1.50 (1.40 to 1.60)",
        "onnx float32",
        "too small to decide: [1]",
        "left out: 2 more seeds, which needs 1 min 30 s",
        "left out: jax: not here",
        "other programs were at work in 2 rounds",
        "no test split",
    ):
        assert words in text, (words, said.out)
    assert "…" not in said.out
    assert max(map(len, said.out.splitlines())) <= max(width, 100)
