"""The table of docs/how-to/resume.md, row by row: what each signal does to each verb, and what goes on afterwards."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bakeoff.cli import _errors
from bakeoff.cli._app import build
from bakeoff.data import write_digits
from bakeoff.errors import Cancelled
from bakeoff.rundir.lock import RunLock
from bakeoff.training import api
from bakeoff.tuning import api as tuning
from bakeoff.workers.stopping import asked_politely, going_on

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def not_under_nohup() -> Iterator[None]:
    """SIGHUP does what it does in a terminal, also where whoever runs the tests has it ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", CODES)
def test_a_second_signal_keeps_the_line_that_goes_on(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    def work(job: Any, *_: Any, **__: Any) -> None:
        (Path(job.run) / "metrics.jsonl").write_text("")
        with asked_politely(heard.append):
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            pytest.fail("still here")

    monkeypatch.setattr(api, "_work", work)
    write_digits(tmp_path / "digits")
    with pytest.raises(Cancelled, match=f"Go on: bakeoff train --resume {tmp_path}/run") as caught:
        api.train(tmp_path / "digits", "mnist-mlp", framework="torch", run=tmp_path / "run")
    assert [*heard, caught.value.exit_code] == [CODES[number]] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_verbs_end_through_all_that_cleans_up(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cleaned: list[bool] = []

    def work() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        finally:
            cleaned.append(True)

    before = signal.getsignal(number)
    assert _errors.guarded(work) == CODES[number]
    assert cleaned == [True]
    assert capsys.readouterr().err == "bakeoff: stopped\n"
    assert signal.getsignal(number) is before


def test_nohup_is_heeded() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with asked_politely(lambda code: pytest.fail("heard")):
            assert _errors.guarded(lambda: os.kill(os.getpid(), signal.SIGHUP)) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("stopped", [Cancelled("stopped at step 3\nGo on: elsewhere", 143), KeyboardInterrupt()])
def test_the_line_that_goes_on_can_be_typed(stopped: BaseException) -> None:
    given = [("--set", "data.split.test=0.2"), ("--seed", None), ("--run", "a b")]
    with pytest.raises(Cancelled) as caught, going_on("compare", "my photos", "photos", given):
        raise stopped
    first, line = str(caught.value).split("\n")
    assert first in ("stopped at step 3", "stopped at once; what is finished is kept")
    words = shlex.split(line.removeprefix("Go on: bakeoff "))
    assert words == ["compare", "my photos", "--recipe", "photos", "--set", "data.split.test=0.2", "--run", "a b"]
    build(words)


@pytest.mark.parametrize(
    "stopped", [Cancelled("stopped at step 3\nGo on: bakeoff train --resume x", 143), SystemExit(143)]
)
def test_a_search_that_is_stopped_goes_on(
    stopped: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed")

    def train(*_: Any, run: Path, **__: Any) -> None:
        (run / "bundle").mkdir(parents=True)
        raise stopped

    monkeypatch.setattr(tuning, "train", train)
    (tmp_path / "images" / "a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with pytest.raises(Cancelled) as caught:
            tuning.tune(
                "images", "mnist-cnn", search={"phases.0.batch_size": "16 | 32"}, trials=2, run=tmp_path / "run"
            )
        line = str(caught.value).split("\n")[1]
        assert line.startswith("Go on: bakeoff tune images --recipe mnist-cnn --search 'phases.0.batch_size=16 | 32'")
        assert caught.value.exit_code == 143
        assert not list((tmp_path / "run").glob("trial-*"))


def test_what_a_killed_run_left_half_written_is_gone_at_its_next_start(tmp_path: Path) -> None:
    for name in (".run.json.0123abcd.tmp", "checkpoints/.00000001.json.0123abcd.tmp", "predictions/kept.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    with RunLock(tmp_path):
        assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == [".lock", "kept.npz"]


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.jax
def test_compare_goes_on_from_what_is_finished(tmp_path: Path) -> None:
    """Stopped in the middle of its second training, by a line that it says itself."""
    write_digits(tmp_path / "digits")
    words = ["compare", "digits", "-r", "mnist-mlp", "--frameworks", "torch,jax", "--threads", "1", "--run", "run"]
    said, kept = "", []
    for number in (signal.SIGTERM, None):
        line = [sys.executable, "-m", "bakeoff", *words]
        process = subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
        while number and process.poll() is None and not (tmp_path / "run" / "jax" / "metrics.jsonl").exists():
            time.sleep(0.05)
        if number:
            process.send_signal(number)
        said = process.communicate(timeout=1800)[1]
        assert process.returncode == (CODES[number] if number else 0), said
        assert [one.name for one in (tmp_path / "run").glob(".*.tmp")] == []
        if number:
            words = shlex.split(said.partition("Go on: bakeoff ")[2])
            kept = [(tmp_path / "run" / name).stat().st_mtime_ns for name in ("torch/run.json", "parity.json")]
    assert kept == [(tmp_path / "run" / name).stat().st_mtime_ns for name in ("torch/run.json", "parity.json")]
    assert "training in torch" not in said
    assert (tmp_path / "run" / "report.html").is_file()
