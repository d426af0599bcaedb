"""Runs that were stopped are runs: every verb uses the last checkpoint and says so; `bakeoff runs` lists all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command
from rich.console import Console

import bakeoff
from bakeoff import bundle
from bakeoff.cli import _output, runs
from bakeoff.errors import Cancelled, CorruptError
from bakeoff.rundir.checkpoint import Checkpoint, grouped, save
from bakeoff.rundir.lock import RunLock
from bakeoff.training import work
from bakeoff.training.loop.state import State


@pytest.fixture
def stopped(photos: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that ended before its end, with a checkpoint of the weights of the finished one."""
    run = tmp_path / "runs" / "stopped"

    def end(*_: Any) -> None:
        raise Cancelled("stopped at step 7")

    with monkeypatch.context() as patch:
        patch.setattr(work, "_finish", end)
        with pytest.raises(Cancelled, match="--resume"):
            bakeoff.train(photos, framework="onnxruntime", run=run)
    shutil.copytree(trained, run.with_name("finished"))
    return run


def keep(run: Path, **groups: Any) -> None:
    meta = {"phase": 0, "phases": [], "state": State(epoch=1, step=7).to_json(), "wall_s": 2.5}
    save(run, Checkpoint(meta, {key: x for name, group in groups.items() for key, x in grouped(name, group).items()}))


def test_a_stopped_run_is_used_and_said(stopped: Path, trained: Path, photos: Path, command: Command) -> None:
    keep(stopped, net=bundle.read(trained).graph.arrays())
    lines = {}
    for words in (
        ("predict", stopped, photos, "--csv"),
        ("evaluate", stopped, photos, "--json"),
        ("export", stopped, "--to", "onnx", "--output", stopped.with_name("a.onnx")),
        ("report", stopped),
    ):
        said = lines[words[0]] = command(*words)
        assert said.code == 0, said.err
        assert "isn't finished: its last checkpoint is used (step 7 of probe" in said.err
        assert f"bakeoff train --resume {stopped}" in said.err
    assert lines["predict"].out == command("predict", trained, photos, "--csv").out
    assert "at its end" in (stopped / "report.html").read_text(encoding="utf-8")
    assert "isn't finished" not in command("evaluate", trained, photos).err
    assert bakeoff.load(stopped).classes == bakeoff.load(trained).classes


def test_without_a_checkpoint_the_line_says_how_to_go_on(stopped: Path, photos: Path, command: Command) -> None:
    for verb in ("predict", "evaluate"):
        said = command(verb, stopped, photos)
        assert said.code != 0
        assert "before its first checkpoint" in said.err
        assert f"bakeoff train --resume {stopped}" in said.err


@pytest.mark.parametrize(
    ("groups", "value"), [({}, None), ({"best": 2}, 2), ({"average": 3}, 3), ({"best": 2, "before": 4}, 4)]
)
def test_the_weights_are_those_that_an_end_would_keep(
    stopped: Path, trained: Path, groups: dict[str, float], value: float | None
) -> None:
    arrays = bundle.read(trained).graph.arrays()
    path = next(path for path, array in arrays.items() if array.dtype == np.float32)
    keep(stopped, net=arrays, **{name: {path: np.full_like(arrays[path], x)} for name, x in groups.items()})
    found = bundle.read(stopped).graph.arrays()
    np.testing.assert_array_equal(found[path], arrays[path] if value is None else np.full_like(arrays[path], value))
    assert found.keys() == arrays.keys()


def test_an_edited_checkpoint_is_refused(stopped: Path, trained: Path) -> None:
    keep(stopped, net=bundle.read(trained).graph.arrays())
    meta = next((stopped / "checkpoints").glob("*.json"))
    meta.write_text(meta.read_text().replace('"step": 7', '"step": 8'))
    with pytest.raises(CorruptError, match="edited"):
        bundle.read(stopped)


def test_runs_are_listed(stopped: Path, trained: Path, command: Command) -> None:
    keep(stopped, net=bundle.read(trained).graph.arrays())
    (stopped / "epochs.jsonl").write_text('{"epoch": 0, "validation_accuracy": 0.5}\n', encoding="utf-8")
    damaged = stopped.with_name("damaged")
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    found = command("runs", stopped.parent, "--json", "--sort", "name").value["runs"]
    assert [Path(row["run"]).name for row in found] == ["damaged", "finished", "stopped"]
    assert [row["state"] for row in found] == ["damaged", "finished", "stopped"]
    assert found[1]["accuracy_interval"][0] <= found[1]["accuracy"] <= found[1]["accuracy_interval"][1]
    assert (found[2]["accuracy"], found[2]["split"], found[2]["wall_s"]) == (0.5, "validation", 2.5)
    assert all(row["size_bytes"] > 0 for row in found)
    best = command("runs", stopped.parent, "--json", "--sort", "accuracy").value["runs"]
    assert Path(best[0]["run"]).name == "finished"
    with RunLock(stopped):
        assert "running" in command("runs", stopped.parent).out
    assert "running" not in command("runs", stopped.parent).out


def test_runs_that_are_not_there(tmp_path: Path, command: Command) -> None:
    assert "no such folder" in command("runs", tmp_path / "nowhere").err
    assert "no runs there yet" in command("runs", tmp_path).out
    assert "expected one of date" in command("runs", tmp_path, "--sort", "speed").err


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_cuts_nothing(width: int, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(_output, "console", lambda: Console(force_terminal=True, width=width, color_system=None))
    net = "+".join(["net_of_many"] * 4)
    row = {"run": "runs/small", "state": "finished", "accuracy": 0.84, "wall_s": 81.0}
    row |= {"accuracy_interval": (0.7, 0.9), "num": 9, "size_bytes": 10**8, "net": net, "split": "test", "error": ""}
    runs._show({"runs": [row]})
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= width
    assert "".join(line[lines[0].index("net, split") :] for line in lines[1:]).replace(" ", "") == f"{net},test"


FIGURES = (
    "[bold]test[/bold]  85.7 % of 7 images, 95 % interval 48.7 to 97.4  [dim]loss 0.2649[/dim]\n\nmacro F1 85.7 %   "
)
FIGURES += "ROC AUC 1.0000   average precision 1.0000   [dim]one   two three[/dim]"


@pytest.mark.parametrize("width", [40, 52, 60, 80, 120])
def test_a_figure_stays_with_its_name(width: int, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(_output, "console", lambda: Console(force_terminal=True, width=width, color_system=None))
    _output.words(FIGURES)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= width
    for figure in ("loss 0.2649", "macro F1 85.7 %", "ROC AUC 1.0000", "average precision 1.0000", "two three"):
        assert any(figure in line for line in lines), lines
