"""Data that changed under a run: `--resume` stops, `evaluate` says so, and both name what changed, by content."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bakeoff
from bakeoff.errors import DataError
from bakeoff.rundir.result import NAME
from bakeoff.training import api


def picture(index: int) -> Image.Image:
    draw = np.random.default_rng(index)
    return Image.fromarray(draw.integers(0, 256, (36, 36, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`photos`, and `run`, which knows them."""
    root = tmp_path_factory.mktemp("changed")
    for index in range(40):
        place = root / "photos" / "ab"[index % 2] / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture(index).save(place)
    bakeoff.train(root / "photos", framework="onnxruntime", run=root / "run")
    return root


def edited(root: Path) -> None:
    picture(900).save(root / "a" / "0.png")


def edited_in_secret(root: Path) -> None:
    """Another content of the same size, and the time of before."""
    place = root / "b" / "1.png"
    before = place.stat()
    content = bytearray(place.read_bytes())
    content[-6] ^= 1  # of the end's checksum, which nobody reads
    place.write_bytes(content)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def added(root: Path) -> None:
    picture(901).save(root / "a" / "new.png")


def removed(root: Path) -> None:
    (root / "b" / "3.png").unlink()


def replaced(root: Path) -> None:
    """One goes, one comes."""
    removed(root)
    added(root)


def relabelled(root: Path) -> None:
    (root / "a" / "2.png").rename(root / "b" / "2.png")


def renamed_class(root: Path) -> None:
    (root / "a").rename(root / "c")


def renamed(root: Path) -> None:
    (root / "a" / "2.png").rename(root / "a" / "other.png")


def touched(root: Path) -> None:
    os.utime(root / "a" / "2.png")


CHANGES: dict[Callable[[Path], None], str] = {
    edited: r"1 changed \(a/0.png\)",
    edited_in_secret: r"1 changed \(b/1.png\)",
    added: r"1 added \(a/new.png\)",
    removed: r"1 gone \(b/3.png\)",
    replaced: r"1 added \(a/new.png\), 1 gone \(b/3.png\)",
}


def copied(home: Path, root: Path, change: Callable[[Path], None]) -> Path:
    shutil.copytree(home / "photos", root / "photos")
    change(root / "photos")
    return root / "photos"


@pytest.mark.parametrize("change", [*CHANGES, relabelled, renamed_class])
def test_a_run_does_not_go_on(change: Callable[[Path], None], home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "run", tmp_path / "run")
    (tmp_path / "run" / NAME).unlink()  # as if it had been killed before its end
    said = CHANGES.get(change, "labels, class names or declared splits")
    with pytest.raises(DataError, match=said) as caught:
        api.resume(tmp_path / "run", data=copied(home, tmp_path, change))
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("change", CHANGES)
def test_evaluate_says_so(change: Callable[[Path], None], home: Path, tmp_path: Path) -> None:
    found = bakeoff.evaluate(home / "run", copied(home, tmp_path, change))
    assert re.search(CHANGES[change], "\n".join(found["unused"]))


@pytest.mark.parametrize("change", [renamed, touched, lambda root: None])
def test_names_and_times_are_nothing(change: Callable[[Path], None], home: Path, tmp_path: Path) -> None:
    data = copied(home, tmp_path, change)
    assert bakeoff.evaluate(home / "run", data)["unused"] == []
    shutil.copytree(home / "run", tmp_path / "run")
    (tmp_path / "run" / NAME).unlink()
    api.resume(tmp_path / "run", data=data)


def test_other_data_is_just_other_data(home: Path, tmp_path: Path) -> None:
    for index in range(20):
        place = tmp_path / "ab"[index % 2] / f"{index}.png"
        place.parent.mkdir(exist_ok=True)
        picture(500 + index).save(place)
    assert bakeoff.evaluate(home / "run", tmp_path, split="all")["unused"] == []
