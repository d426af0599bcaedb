"""A training looks at its images first, and keeps what it found and which side each was on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff.data import read_data
from bakeoff.data.assignment import read_assignment
from bakeoff.errors import BadFilesError
from bakeoff.training.api import Trained, train
from bakeoff.training.options import Options


def photos(root: Path) -> Path:
    draw = np.random.default_rng(0)
    for index in range(48):
        place = root / ("train", "train", "test")[index % 3] / "ab"[index % 2] / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(draw.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(place)
    (root / "train" / "a" / "zero.png").write_bytes(b"")
    (root / "test" / "a" / "leak.png").write_bytes((root / "train" / "a" / "0.png").read_bytes())
    with Image.open(root / "train" / "b" / "1.png") as image:
        image.resize((48, 48)).save(root / "train" / "b" / "near.jpg", quality=70)
    (root / "train" / ".DS_Store").write_bytes(b"x")
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def heard() -> list[str]:
    return []


@pytest.fixture(scope="module")
def trained(data: Path, heard: list[str], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    def listen(message: dict[str, object]) -> None:
        if message["kind"] == "log":
            heard.append(str(message["text"]))

    run = tmp_path_factory.mktemp("runs") / "run"
    changes = ["data.bad_files=exclude"]
    options = Options(listen=listen)
    return train(data, "photos", framework="onnxruntime", run=run, phases=["probe"], overrides=changes, options=options)


def test_what_is_wrong_is_told_and_kept(data: Path, trained: Trained, heard: list[str]) -> None:
    found = json.loads((trained.path / "audit.json").read_text())
    assert {(row["kind"], row["path"]) for row in found["findings"]} == {
        ("empty", "train/a/zero.png"),
        ("leak", "test/a/leak.png"),
        ("near_duplicate", "train/b/near.jpg"),
        ("hidden", "train/.DS_Store"),
    }
    assert found["excluded"] == trained.result["excluded"] == ["train/a/zero.png"]
    assert [line for line in heard if line.startswith("audit: 1 empty")]
    counts = sum(trained.result[f"num_{name}"] for name in ("train", "validation", "test"))
    assert found["num"] == counts + 1 == 51


def test_the_sides_are_kept(data: Path, trained: Trained) -> None:
    kept, now = read_assignment(trained.path), read_data(data, bad_files="exclude", seed=3, frozen=trained.path)
    assert len(kept) == 49  # contents: the leak is one of them
    assert len(now.train) == trained.result["num_train"]
    assert {now.manifest.sha256[row].tobytes() for row in now.train.indices} <= {
        name for name, side in kept.items() if side != 1
    }


def test_it_stops_where_nothing_else_was_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadFilesError, match=r"train/a/zero\.png: empty"):
        train(data, "photos", framework="onnxruntime", run=tmp_path / "run", phases=["probe"])
    assert not (tmp_path / "run").exists()
