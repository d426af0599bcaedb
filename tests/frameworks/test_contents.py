"""Two output files are the same when all they hold is: what logits don't show is compared, too, and named."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.bundle import Bundle
from bakeoff.conversion import contents
from bakeoff.models import build
from bakeoff.preprocessing import Signature

pytestmark = [
    pytest.mark.torch,
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    graph = build("mnist_cnn", input_size=(28, 28), channels=1, classes=3)
    return Bundle(graph, Signature(size=(28, 28), channels=1, mean=(0.5,), std=(0.5,)), ("cat", "dog", "owl"))


def edited(source: Path, target: Path, edit: Callable[[str, bytes], bytes]) -> Path:
    """A zip, its members changed."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as new:
        for item in archive.infolist():
            new.writestr(item, edit(item.filename, archive.read(item)))
    return target


def replaced(name: str, old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
    def edit(member: str, data: bytes) -> bytes:
        if not member.endswith(name):
            return data
        assert old in data
        return data.replace(old, new, 1)

    return edit


def nudged(member: str, data: bytes) -> bytes:
    """One number of one kernel of an HDF5 file, by a millionth."""
    if not member.endswith(".h5"):
        return data
    import h5py

    stream = io.BytesIO(data)
    with h5py.File(stream, "r+") as file:
        found: list[Any] = []
        file.visititems(lambda _, item: found.append(item) if getattr(item, "ndim", 0) == 4 else None)
        found[0][0, 0, 0, 0] *= np.float32(1 + 1e-6)
    return stream.getvalue()


EDITS = {
    "momentum": (replaced("config.json", b'"momentum": 0.9', b'"momentum": 0.8'), "layer"),
    "epsilon": (replaced("config.json", b'"epsilon": 1e-05', b'"epsilon": 1.1e-05'), "layer"),
    "frozen": (replaced("config.json", b'"trainable": true', b'"trainable": false'), "model trainable"),
    "weight": (nudged, "weight"),
}


def test_keras(framework: str, bundle: Bundle, tmp_path: Path) -> None:
    if framework != "tensorflow":
        pytest.skip("of Keras")
    from bakeoff.exports.formats import keras
    from bakeoff.runtimes.keras_file import sidecar

    one = keras.write(bundle, tmp_path / "one.keras")
    assert contents.different(contents.of(one), contents.of(keras.write(bundle, tmp_path / "two.keras"))) == []
    for name, (edit, said) in EDITS.items():
        other = edited(one, tmp_path / f"{name}.keras", edit)
        sidecar(other).write_bytes(sidecar(one).read_bytes())
        different = contents.different(contents.of(one), contents.of(other))
        assert any(found.startswith(said) for found in different), name
    for key, value in {"classes": ["dog", "cat", "owl"], "signature": {}}.items():
        text = {**json.loads(sidecar(one).read_text()), key: value}
        sidecar(tmp_path / "two.keras").write_text(json.dumps(text))
        assert contents.different(contents.of(one), contents.of(tmp_path / "two.keras")) == [f"text {key}"]


def test_pt2(framework: str, bundle: Bundle, tmp_path: Path) -> None:
    if framework != "torch":
        pytest.skip("of torch")
    from dataclasses import replace

    from bakeoff.exports.formats import torch

    arrays = bundle.graph.arrays()
    path = next(path for path, array in arrays.items() if array.ndim == 4)
    changed = arrays[path].copy()
    changed.flat[0] *= np.float32(1 + 1e-6)
    one, two = (torch.write(bundle, tmp_path / f"{name}.pt2") for name in ("one", "two"))
    assert contents.different(contents.of(one), contents.of(two)) == []
    other = torch.write(replace(bundle, graph=bundle.graph.with_arrays({path: changed})), tmp_path / "weight.pt2")
    assert any(name.startswith("weight ") for name in contents.different(contents.of(one), contents.of(other)))
    swapped = torch.write(replace(bundle, classes=bundle.classes[::-1]), tmp_path / "classes.pt2")
    assert contents.different(contents.of(one), contents.of(swapped)) == ["text classes"]
    epsilon = replaced("model.json", b"1e-05", b"1.1e-05")
    assert contents.different(contents.of(one), contents.of(edited(one, tmp_path / "e.pt2", epsilon))) == ["program"]
