"""A bundle comes back as it was, and a damaged one is refused by name."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff import bundle as bundles
from bakeoff import models
from bakeoff.bundle import Bundle, write
from bakeoff.errors import BakeoffError, CorruptError, DataError, VersionError
from bakeoff.graph import run
from bakeoff.preprocessing.signature import Signature


@pytest.fixture
def bundle() -> Bundle:
    return Bundle(
        graph=models.build("mnist_cnn", (8, 8), 1, 2),
        signature=Signature((8, 8), 1, mean=(0.5,), std=(0.5,)),
        classes=("猫", "狗"),
        recipe_toml='title = "x"\n',
        scores={"test": {"accuracy": 0.5, "num": 4}},
        framework="torch",
        loss="softmax_cross_entropy",
        extra={"licence": None},
    )


def test_round_trip(bundle: Bundle, tmp_path: Path) -> None:
    folder = write(tmp_path / "run" / "bundle", bundle)
    images = np.ones((2, 8, 8, 1), np.float32)
    for path in (folder, folder.parent):
        back = bundles.read(path)
        assert replace(back, graph=bundle.graph) == bundle
        np.testing.assert_array_equal(run(back.graph, images), run(bundle.graph, images))
    assert os.listdir(folder.parent) == ["bundle"]


def test_an_older_one_is_replaced(bundle: Bundle, tmp_path: Path) -> None:
    write(tmp_path / "bundle", bundle)
    write(tmp_path / "bundle", replace(bundle, framework="jax"))
    assert bundles.read(tmp_path).framework == "jax"
    assert os.listdir(tmp_path) == ["bundle"]


def test_a_failed_write_leaves_the_old_one(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "bundle", bundle)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bakeoff.files.sync", full)
    with pytest.raises(DataError, match=r"bundle: No space left.*MB"):
        write(tmp_path / "bundle", replace(bundle, framework="jax"))
    assert bundles.read(tmp_path).framework == "torch"
    assert os.listdir(tmp_path) == ["bundle"]


def test_a_changed_weight_is_noticed(bundle: Bundle, tmp_path: Path) -> None:
    path = write(tmp_path / "bundle", bundle) / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptError, match="hash"):
        bundles.read(tmp_path)
    for end in (0, 5, len(data) // 2):
        path.write_bytes(bytes(data[:end]))
        with pytest.raises(CorruptError, match=r"weights\.safetensors"):
            bundles.read(tmp_path)
    path.unlink()
    with pytest.raises(CorruptError, match=r"weights\.safetensors"):
        bundles.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"schema": 99}, VersionError),
        ({"graph": None}, CorruptError),
        ({"signature": {"size": "big"}}, BakeoffError),
        ({"classes": None}, CorruptError),
    ],
)
def test_an_edited_file_is_refused(bundle: Bundle, tmp_path: Path, change: dict[str, Any], error: Any) -> None:
    path = write(tmp_path / "bundle", bundle) / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    with pytest.raises(error):
        bundles.read(tmp_path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(CorruptError, match=r"bundle\.json"):
        bundles.read(tmp_path)


def test_what_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a run nor a bundle"):
        bundles.read(tmp_path)
