"""Near copies and groups in one split, folds, and splits that stay as an earlier run had them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from faults import encoded, photo
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bakeoff.data import Data, read_data
from bakeoff.data.assignment import FROZEN, Rules, assignment_of, read_assignment, write_assignment
from bakeoff.data.manifest import Manifest
from bakeoff.data.split import DEFAULT
from bakeoff.errors import CorruptError, UsageError


def photos(root: Path, count: int, start: int = 0) -> Path:
    for index in range(count):
        place = root / "ab"[index % 2] / f"{start + index:04d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(photo(start + index, (48, 64)), quality=90))
    return root


def assignment(data: Data) -> dict[str, str]:
    """The split of every image, by its path."""
    rows = {name: split.indices for name, split in data.splits.items()}
    return {str(data.manifest.paths[row]): name for name, found in rows.items() for row in found.tolist()}


def manifest(labels: np.ndarray, near: np.ndarray | None = None, group: np.ndarray | None = None) -> Manifest:
    count = len(labels)
    digests = np.random.default_rng(0).integers(0, 256, (count, 32), dtype=np.uint8)
    paths, split = np.array([f"{n}.png" for n in range(count)]), np.full(count, -1, np.int8)
    sizes = np.zeros(count, np.int64)
    return Manifest(("a", "b"), paths, labels, split, digests, sizes, near, group)


def test_near_copies_are_on_one_side(tmp_path: Path) -> None:
    root = photos(tmp_path, 120)
    before = assignment(read_data(root))
    for path in sorted(root.rglob("*.jpg"))[:60]:
        with Image.open(path) as image:
            smaller = image.resize((image.width * 3 // 4, image.height * 3 // 4))
        path.with_name(f"{path.stem}-small.jpg").write_bytes(encoded(smaller, quality=60))
    found = assignment(read_data(root))
    assert len(found) == 180
    assert {found[path] == found[path.replace("-small", "")] for path in found} == {True}
    alone = [path for path in before if path.replace(".jpg", "-small.jpg") not in found]
    assert sum(found[path] != before[path] for path in alone) <= 1  # one at most was moved to fill a split


@given(st.integers(2, 6), st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.3]))
def test_folds_validate_every_image_once(folds: int, seed: int, test: float) -> None:
    table = manifest(np.arange(200) % 2, group=np.array([f"g{n // 3}" for n in range(200)]))
    rules = Rules((1 - test, 0.0, test), seed, "fail", folds)
    found = [assignment_of(table, dataclasses.replace(rules, fold=fold), fixed=False) for fold in range(folds)]
    tests = {tuple(np.flatnonzero(split == 2).tolist()) for split in found}
    assert len(tests) == 1
    validated = np.sort(np.concatenate([np.flatnonzero(split == 1) for split in found]))
    assert validated.tolist() == np.setdiff1d(np.arange(200), list(tests.pop())).tolist()
    for split in found:
        for group in range(67):
            assert len(set(split[3 * group : 3 * group + 3].tolist())) == 1
        for number in (0, 1):
            assert {(split[table.labels == label] == number).any() for label in (0, 1)} == {True}


def test_folds_of_data_that_brings_its_test_split(tmp_path: Path) -> None:
    photos(tmp_path / "train", 60)
    photos(tmp_path / "test", 10, 500)
    data = [read_data(tmp_path, folds=3, fold=fold) for fold in range(3)]
    assert {len(part.test or ()) for part in data} == {10}
    assert sum(len(part.validation or ()) for part in data) == 60
    for wrong in ((1, 0), (3, 3), (3, -1)):
        with pytest.raises(UsageError, match="expected 2 folds or more"):
            read_data(tmp_path, folds=wrong[0], fold=wrong[1])


def test_groups_and_near_copies_join_each_other() -> None:
    table = manifest(np.arange(6) % 2, near=np.array([0, 1, 0, 3, 4, 5]), group=np.array(["x", "y", "", "", "y", ""]))
    assert len(set(table.groups[[0, 2]].tolist())) == 1
    assert len(set(table.groups[[1, 4]].tolist())) == 1
    assert len(set(table.groups.tolist())) == 4
    chosen = table.select(np.array([5, 2, 0]))
    assert chosen.groups[1] == chosen.groups[2] != chosen.groups[0]


def test_a_group_stays_where_it_is_when_images_are_added() -> None:
    labels, names = np.arange(300) % 2, np.array([f"p{n // 5}" for n in range(300)])
    whole, part = manifest(labels, group=names), manifest(labels[:150], group=names[:150])
    rules = Rules(DEFAULT, 0, "fail")
    assert np.array_equal(assignment_of(whole, rules, fixed=False)[:150], assignment_of(part, rules, fixed=False))


def test_a_test_set_is_frozen(tmp_path: Path) -> None:
    root = photos(tmp_path / "data", 100)
    first = read_data(root, seed=0)
    write_assignment(tmp_path / FROZEN, first.manifest, first.assignment)
    photos(root, 60, 700)
    free, kept = read_data(root, seed=5), read_data(root, seed=5, frozen=tmp_path)
    before, after = assignment(first), assignment(kept)
    assert {path: after[path] for path in before} == before
    assert {after[path] for path in after if path not in before} == {"train", "validation"}
    assert assignment(free) != after
    test = sorted(path for path, split in before.items() if split == "test")[0]
    with Image.open(root / test) as image:
        (root / test).with_name("near.jpg").write_bytes(encoded(image.resize((50, 40)), quality=70))
    again = assignment(read_data(root, seed=5, frozen=tmp_path))
    assert again[f"{test.split('/')[0]}/near.jpg"] == "test"  # never trained on what is tested
    other = photos(tmp_path / "other", 60, 5000)
    assert assignment(read_data(other, frozen=tmp_path)) == assignment(read_data(other))


def test_declared_splits_stay_as_declared(tmp_path: Path) -> None:
    photos(tmp_path / "d" / "train", 50)
    photos(tmp_path / "d" / "test", 10, 500)
    copied = next((tmp_path / "d" / "train" / "a").iterdir())
    (tmp_path / "d" / "test" / "a" / "leak.jpg").write_bytes(copied.read_bytes())
    data = read_data(tmp_path / "d")
    write_assignment(tmp_path / FROZEN, data.manifest, data.assignment)
    assert assignment(read_data(tmp_path / "d", frozen=tmp_path)) == assignment(data)


def test_a_file_of_sides_that_is_no_such(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_assignment(tmp_path)
    for content in (b"", b"rubbish", b"PK\3\4rubbish"):
        (tmp_path / FROZEN).write_bytes(content)
        with pytest.raises(CorruptError, match="damaged"):
            read_assignment(tmp_path)
    np.savez(tmp_path / FROZEN, sha256=np.zeros((2, 32), np.uint8), side=np.array([0, 9], np.int8))
    with pytest.raises(CorruptError):
        read_assignment(tmp_path)
