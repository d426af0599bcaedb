"""Nothing is written through a link that somebody laid into a folder of ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bakeoff.errors import BakeoffError, UsageError
from bakeoff.files import own
from bakeoff.rundir.folder import Run
from bakeoff.rundir.lock import RunLock, held

NAMES = (".lock", "metrics.jsonl", "epochs.jsonl", "predictions", "checkpoints", "job.json", "bundle/model.json")


def laid(folder: Path, name: str) -> tuple[Path, Path]:
    """A run folder in which `name` leads outside, and what it leads to."""
    outside = folder / "outside"
    outside.mkdir()
    (outside / "kept").write_text("as it was")
    place = folder / "run" / name
    place.parent.mkdir(parents=True)
    place.symlink_to(outside if "." not in name else outside / "kept")
    return folder / "run", outside


@pytest.mark.parametrize("name", NAMES)
def test_a_run_with_a_link_is_not_written_to(name: str, tmp_path: Path) -> None:
    run, outside = laid(tmp_path, name)
    with pytest.raises(UsageError, match="a link; nothing is written"), RunLock(run):
        pass
    assert [(one.name, one.read_text()) for one in outside.iterdir()] == [("kept", "as it was")]


@pytest.mark.parametrize("name", ["metrics.jsonl", "epochs.jsonl"])
def test_a_link_laid_later_is_not_followed_either(name: str, tmp_path: Path) -> None:
    path, outside = laid(tmp_path, name)
    run = Run(path)
    for write in (lambda: run.line(name, {"a": 1}), lambda: run.rewind({name: 0})):
        with pytest.raises((BakeoffError, OSError)):
            write()
    assert not held(path)
    assert (outside / "kept").read_text() == "as it was"


def test_the_lock_follows_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, outside = laid(tmp_path, ".lock")
    monkeypatch.setattr("bakeoff.rundir.lock.own", lambda folder: None)
    with pytest.raises(BakeoffError), RunLock(path):
        pass
    assert (outside / "kept").read_text() == "as it was"


def test_folders_of_others_and_pipes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own(tmp_path) is own(tmp_path / "not there yet") is None
    os.mkfifo(tmp_path / "metrics.jsonl")
    with pytest.raises(UsageError, match="a pipe or device"):
        own(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(UsageError, match="another user's"):
        own(tmp_path)
