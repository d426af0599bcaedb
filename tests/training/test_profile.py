"""Where a training's time went: stages add up to its time, and threads share theirs."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from rooms import small

from bakeoff.cli import main
from bakeoff.training.api import train
from bakeoff.workers import profile
from bakeoff.workers.profile import stage


def test_stages_add_up_and_threads_have_their_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    profile.begin(998.0)

    def pass_by(seconds: float, name: str = "") -> None:
        if name:
            with stage(name):
                clock[0] += seconds
        else:
            clock[0] += seconds

    pass_by(1)
    with stage("outer"):
        pass_by(3)
        pass_by(4, "inner")
        pass_by(5)
    with stage("files"):
        for name, seconds in (("decoding", 6.0), ("hashes", 2.0)):
            thread = threading.Thread(target=pass_by, args=(seconds, name))
            thread.start()
            thread.join()
        clock[0] -= 4  # two threads at a time
    assert profile.spent() == {profile.START: 2, "other": 1, "outer": 8, "inner": 4, "decoding": 3, "hashes": 1}


def test_a_training_says_where_its_time_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = small(tmp_path / "images", a=8, b=8).path
    words = ["train", str(root), "--phases", "probe", "--set", "input.size=[32,32]", "--run", str(tmp_path / "run")]
    assert main([*words, "--framework", "onnxruntime", "--profile", "--json"]) == 0
    said = capsys.readouterr().err
    for name in (profile.START, "hashes", "decoding", "features", "head", "report", "all"):
        assert f"\n{name} " in said
    run = train(root, phases=["probe"], overrides=["input.size=[32,32]"], framework="onnxruntime", run=tmp_path / "2")
    assert sum(run.profile.values()) == pytest.approx(run.facts.wall_s, rel=0.2, abs=0.2)
