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
from bakeoff.bundle import folder_of
from bakeoff.data import read_data
from bakeoff.data.assignment import FROZEN, order_of
from bakeoff.errors import CorruptError, DataError, UsageError
from bakeoff.rundir.result import NAME
from bakeoff.training import api

Change = Callable[[Path], object]


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


def edited_in_secret(root: Path) -> None:
    """Another content of the same size, and the time of before."""
    place = root / "b" / "1.png"
    before, content = place.stat(), bytearray(place.read_bytes())
    content[-6] ^= 1  # of the end's checksum, which nobody reads
    place.write_bytes(content)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def moved(old: str, new: str) -> Change:
    return lambda root: (root / old).rename(root / new)


def replaced(root: Path) -> None:
    """One goes, one comes."""
    CHANGES["removed"][0](root)
    CHANGES["added"][0](root)


CHANGES: dict[str, tuple[Change, str]] = {
    "edited": (lambda root: picture(900).save(root / "a" / "0.png"), r"1 changed \(a/0.png\)"),
    "edited in secret": (edited_in_secret, r"1 changed \(b/1.png\)"),
    "added": (lambda root: picture(901).save(root / "a" / "new.png"), r"1 added \(a/new.png\)"),
    "removed": (lambda root: (root / "b" / "3.png").unlink(), r"1 gone \(b/3.png\)"),
    "replaced": (replaced, r"1 added \(a/new.png\), 1 gone \(b/3.png\)"),
}
OTHERS: dict[str, tuple[Change, str]] = {
    "relabelled": (moved("a/2.png", "b/2.png"), "labels, class names"),
    "a class renamed": (moved("a", "c"), "labels, class names"),
}
NOTHING: dict[str, Change] = {
    "renamed": moved("a/2.png", "a/other.png"),
    "touched": lambda root: os.utime(root / "a" / "2.png"),
    "as it was": lambda root: None,
}


def copied(home: Path, root: Path, change: Change) -> Path:
    shutil.copytree(home / "photos", root / "photos")
    change(root / "photos")
    return root / "photos"


@pytest.mark.parametrize("name", [*CHANGES, *OTHERS])
def test_a_run_does_not_go_on(name: str, home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "run", tmp_path / "run")
    (tmp_path / "run" / NAME).unlink()  # as if it had been killed before its end
    change, said = (CHANGES | OTHERS)[name]
    with pytest.raises(DataError, match=said) as caught:
        api.resume(tmp_path / "run", data=copied(home, tmp_path, change))
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("name", CHANGES)
def test_evaluate_says_so(name: str, home: Path, tmp_path: Path) -> None:
    found = bakeoff.evaluate(home / "run", copied(home, tmp_path, CHANGES[name][0]))
    assert re.search(CHANGES[name][1], "\n".join(found["unused"]))


@pytest.mark.parametrize("name", NOTHING)
def test_names_and_times_are_nothing(name: str, home: Path, tmp_path: Path) -> None:
    data = copied(home, tmp_path, NOTHING[name])
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


def test_renamed_images_come_in_the_order_that_the_run_had(home: Path, tmp_path: Path) -> None:
    """Its batches are drawn by place: names that sort otherwise would make another training of it."""
    before = read_data(home / "photos")
    data = read_data(
        copied(home, tmp_path, lambda root: [moved(f"a/{n}.png", f"a/z{90 - n}.png")(root) for n in (0, 2, 8)])
    )
    rows = order_of(home / "run" / FROZEN, data.manifest)
    assert rows is not None
    assert not np.array_equal(data.manifest.sha256, before.manifest.sha256)
    again = data.ordered(rows)
    assert np.array_equal(again.manifest.sha256, before.manifest.sha256)
    for mine, theirs in zip(again.train.batches(), before.train.batches(), strict=True):
        assert np.array_equal(mine.images, theirs.images)


def test_images_that_decoding_left_out_are_left_out_again(home: Path, tmp_path: Path) -> None:
    data = copied(home, tmp_path, damaged)
    run = bakeoff.train(data, framework="onnxruntime", run=tmp_path / "run", overrides=["data.bad_files=exclude"]).path
    (run / NAME).unlink()
    api.resume(run)
    found = bakeoff.evaluate(run, data)
    assert found["files"]["excluded"] == 1
    assert sum(found["files"].values()) == 40
    assert "1 of 40 files can't be read and aren't scored: 'a/0.png'" in found["unused"]
    (data / "b" / "3.png").write_text("words")
    (data / "b" / "5.png").unlink()
    notes = bakeoff.evaluate(run, data)["unused"]
    assert re.search(r": 1 gone \(b/5.png\);", notes[0])  # a file counts once: it is unreadable, or gone
    assert "2 of 39 files can't be read and aren't scored: 'a/0.png', 'b/3.png'" in notes


def damaged(root: Path) -> None:
    """In its middle: header and end are whole."""
    place = root / "a" / "0.png"
    content = bytearray(place.read_bytes())
    start = content.index(b"IDAT") + 4
    content[start : start + 8] = bytes(8)
    place.write_bytes(content)


def test_a_split_that_is_missing_or_altered_stops(home: Path, tmp_path: Path) -> None:
    """Drawn anew, images that it was trained on could be scored as its test set."""
    run = shutil.copytree(home / "run", tmp_path / "run")
    with np.load(run / FROZEN) as archive:
        kept = dict(archive)
    kept["side"] = kept["side"][::-1]
    np.savez(run / FROZEN, **kept)
    with pytest.raises(CorruptError, match=r"split.npz: isn't the split that the run wrote"):
        bakeoff.evaluate(run, home / "photos")
    (run / FROZEN).unlink()
    with pytest.raises(UsageError, match=r"split.npz: is missing"):
        bakeoff.evaluate(run, home / "photos")
    shutil.copytree(folder_of(run), tmp_path / "alone")
    assert "drawn anew" in bakeoff.evaluate(tmp_path / "alone", home / "photos")["unused"][0]
