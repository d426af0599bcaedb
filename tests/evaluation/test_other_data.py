"""A model is judged on data that came another way than what it was trained on: classes are known by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bakeoff
from bakeoff.errors import BakeoffError, UsageError

NAMES = tuple(str(number) for number in range(12))


def picture(name: str, index: int) -> np.ndarray:
    """Class by its stripes, so that a class in another's place is seen."""
    rng = np.random.default_rng(1000 * int(name) + index)
    image = rng.integers(0, 60, (32, 32, 3))
    image[int(name) * 2 : int(name) * 2 + 8, :, int(name) % 3] += 180
    return image.astype(np.uint8)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`photos`, twelve class folders, and `run`, a model of them."""
    root = tmp_path_factory.mktemp("numbers")
    for name in NAMES:
        (root / "photos" / name).mkdir(parents=True)
        for index in range(8):
            Image.fromarray(picture(name, index)).save(root / "photos" / name / f"{index}.png")
    bakeoff.train(root / "photos", framework="onnxruntime", run=root / "run")
    return root


def pictures(names: tuple[str, ...] = NAMES, num: int = 3) -> list[tuple[str, np.ndarray]]:
    return [(name, picture(name, 100 + index)) for name in names for index in range(num)]


def folder(root: Path, rows: list[tuple[str, np.ndarray]]) -> Path:
    for index, (name, image) in enumerate(rows):
        (root / "test" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / "test" / name / f"{index}.png")
    return root / "test"


def listed(root: Path, rows: list[tuple[str, np.ndarray]], suffix: str = ".csv", **more: Any) -> Path:
    for index, (_, image) in enumerate(rows):
        Image.fromarray(image).save(root / f"{index}.png")
    if suffix == ".csv":
        lines = ["path,label", *(f"{index}.png,{more.get(name, name)}" for index, (name, _) in enumerate(rows))]
    else:
        lines = [json.dumps({"path": f"{index}.png", "label": float(name)}) for index, (name, _) in enumerate(rows)]
    (root / f"list{suffix}").write_text("\n".join(lines))
    return root / f"list{suffix}"


def arrays(root: Path, rows: list[tuple[str, np.ndarray]]) -> Path:
    x, y = np.stack([image for _, image in rows]), np.array([int(name) for name, _ in rows])
    np.savez(root / "a.npz", x_train=x, y_train=y.astype(float), x_test=x, y_test=y)
    return root / "a.npz"


MADE = {
    "folder": lambda root: folder(root, pictures()),
    "CSV": lambda root: listed(root, pictures()),
    "JSON Lines of floats": lambda root: listed(root, pictures(), ".jsonl"),
    "npz": lambda root: arrays(root, pictures()),
    "backwards": lambda root: listed(root, pictures()[::-1]),
}


@pytest.mark.parametrize("kind", MADE)
def test_the_same_pictures_come_to_the_same(kind: str, home: Path, tmp_path: Path) -> None:
    found = bakeoff.evaluate(home / "run", MADE[kind](tmp_path), split="all" if kind != "npz" else "test")
    assert (found["num"], found["unused"]) == (36, [])
    assert found["accuracy"] > 0.8  # each class on its own place: chance is 0.08


FEWER = {
    "two classes": ("3", "10"),
    "one class": ("11",),
    "all but one": NAMES[1:],
}


@pytest.mark.parametrize("make", [folder, listed])
@pytest.mark.parametrize("kind", FEWER)
def test_a_test_set_may_lack_classes(kind: str, make: Any, home: Path, tmp_path: Path) -> None:
    names = FEWER[kind]
    found = bakeoff.evaluate(home / "run", make(tmp_path, pictures(names)), split="all")
    assert found["num"] == 3 * len(names)
    assert found["accuracy"] > 0.6
    (line,) = found["unused"]
    assert f"{12 - len(names)} of 12 classes have no image" in line
    assert [row["name"] for row in found["per_class"]] == list(NAMES)


def test_an_empty_class_folder_is_said(home: Path, tmp_path: Path) -> None:
    place = folder(tmp_path, pictures(NAMES[:11]))
    (place / "11").mkdir()
    (place / "other").mkdir()  # nothing in it: nothing to judge
    found = bakeoff.evaluate(home / "run", place, split="all")
    assert "1 of 12 classes have no image in all: '11'" in found["unused"][0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"1": "dog"}, "Only in the data: 'dog'"),
        ({"1": "１"}, "differ only by Unicode form"),
        ({"1": "1.5"}, "'1.5'"),
    ],
)
def test_only_foreign_classes_stop_it(given: dict[str, str], said: str, home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        bakeoff.evaluate(home / "run", listed(tmp_path, pictures(), **given), split="all")
    assert len(str(caught.value).splitlines()) <= 3


def test_names_that_are_not_utf8_are_said(home: Path, tmp_path: Path) -> None:
    place = folder(tmp_path, pictures(("1", "2")))
    (place / "caf\udce9").mkdir()
    shutil.copy(next((place / "1").iterdir()), place / "caf\udce9" / "a.png")
    for work in (bakeoff.read_data, lambda path: bakeoff.evaluate(home / "run", path, split="all"), bakeoff.audit):
        with pytest.raises(BakeoffError, match="UTF-8"):
            work(place)
