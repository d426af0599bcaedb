"""Checkpoints: whole or not at all, whatever happens while one is written; refused where they were touched."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.errors import CorruptError, NoSpaceError, NotWorthSavingError, VersionError
from bakeoff.rundir import checkpoint
from bakeoff.rundir.checkpoint import FOLDER, Checkpoint, grouped, load, save, slot_arrays


def made(number: int, size: int = 3000) -> Checkpoint:
    """A checkpoint whose every number is its own."""
    net = {"conv.kernel": np.full(size, number, "float32"), "head.bias": np.full(7, number, "float64")}
    slots = {"conv.kernel": {"m": np.full(size, -number, "float32")}}
    return Checkpoint({"number": number}, grouped("net", net) | slot_arrays(slots))


def whole(found: Checkpoint | None) -> int:
    """The number of a checkpoint that is all of one piece."""
    assert found is not None
    number = int(found.meta["number"])
    assert (found.group("net")["conv.kernel"] == number).all()
    assert (found.slots()["conv.kernel"]["m"] == -number).all()
    return number


def test_what_was_saved_comes_back_and_what_is_older_goes(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    for number in (1, 2, 3):
        save(tmp_path, made(number))
        assert whole(load(tmp_path)) == number
    assert sorted(os.listdir(tmp_path / FOLDER)) == ["00000003.json", "00000003.safetensors"]


def test_nothing_that_is_not_finite_is_saved(tmp_path: Path) -> None:
    save(tmp_path, made(1))
    with pytest.raises(NotWorthSavingError):
        save(tmp_path, Checkpoint({}, {"net/w": np.array([1.0, np.nan])}))
    assert whole(load(tmp_path)) == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child does nothing but save
@pytest.mark.parametrize("kills", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_while_saving_there_is_always_a_complete_one(tmp_path: Path, kills: int) -> None:
    """A child saves and saves, and is killed at a random moment of its second save; the next one goes on from there."""
    rng, last = random.Random(0), 0
    save(tmp_path, made(0, 200_000))
    began = time.monotonic()
    save(tmp_path, made(0, 200_000))
    length = time.monotonic() - began
    for _ in range(kills):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            number = whole(load(tmp_path))
            while True:
                number += 1
                os.write(writing, b".")
                save(tmp_path, made(number, 200_000))
        os.close(writing)
        for _ in range(2):  # the first save is done, the second begins
            assert os.read(reading, 1)
        time.sleep(rng.uniform(0, length))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        number = whole(load(tmp_path))
        assert number > last
        last = number
    save(tmp_path, made(last + 1))
    assert len(os.listdir(tmp_path / FOLDER)) == 2  # what the killed ones left behind is gone


@pytest.mark.parametrize("at", range(10))
def test_on_a_full_disk_the_one_before_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """The system refuses the n-th call of those that writing makes: open, fsync and rename, of file and folder."""
    save(tmp_path, made(1))
    calls = 0

    def full(real: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at + 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **more)

        return call

    with monkeypatch.context() as patch:
        for name in ("open", "fsync", "replace"):
            patch.setattr(os, name, full(getattr(os, name)))
        with pytest.raises(NoSpaceError, match=r"this write needs \d+\.\d kB") as caught:
            save(tmp_path, made(2))
    assert str(tmp_path) in str(caught.value)
    assert whole(load(tmp_path)) in (1, 2)
    save(tmp_path, made(3))
    assert whole(load(tmp_path)) == 3


def test_a_broken_pair_is_passed_over_for_an_older_one_and_refused_alone(tmp_path: Path) -> None:
    save(tmp_path, made(1))
    older = {path.name: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()}
    save(tmp_path, made(2))
    (tmp_path / FOLDER / "00000002.safetensors").write_bytes(b"cut short")
    with pytest.raises(CorruptError, match="truncated or edited"):
        load(tmp_path)
    for name, content in older.items():
        (tmp_path / FOLDER / name).write_bytes(content)
    assert whole(load(tmp_path)) == 1


def edited(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "number": 9}


def later(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "schema": 99}


@pytest.mark.parametrize(("change", "kind"), [(edited, CorruptError), (later, VersionError)])
def test_an_edited_one_and_one_of_another_schema_are_refused(tmp_path: Path, change: Any, kind: Any) -> None:
    path = save(tmp_path, made(1))
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(kind, match=path.name) as caught:
        load(tmp_path)
    assert str(caught.value).count("\n") <= 2


def test_arrays_that_are_gone_are_named(tmp_path: Path) -> None:
    save(tmp_path, made(1))
    (tmp_path / FOLDER / "00000001.safetensors").unlink()
    with pytest.raises(CorruptError, match=r"00000001\.safetensors"):
        load(tmp_path)


def test_the_json_alone_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two files, the new arrays count for nothing."""
    save(tmp_path, made(1))
    real = checkpoint.atomic_write

    def dies_before_json(path: Path, root: Path) -> Any:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        return real(path, root)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "atomic_write", dies_before_json)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, made(2))
    assert whole(load(tmp_path)) == 1
