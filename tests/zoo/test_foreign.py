"""What can't be converted is told apart by names and first bytes, and the line says what to give in its place."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.errors import DataError
from bakeoff.zoo import foreign
from bakeoff.zoo.opening import recognise


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, data in members.items():
            made.writestr(name.replace("__", "/"), data)
    return stream.getvalue()


class Net:
    """A module of somebody's own, pickled whole."""


FILES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "net.tflite": (b"\x1c\0\0\0TFL3", ("LiteRT", "for prediction alone", "Give what it was exported from")),
    "net.bin": (b"\x1c\0\0\0TFL3", ("LiteRT",)),
    "net.onnx": (b"\x08\x09", ("ONNX", "for prediction alone")),
    "net.pb": (b"", ("frozen graph",)),
    "net.mlmodel": (b"", ("Core ML",)),
    "net.engine": (b"", ("TensorRT",)),
    "net.msgpack": (b"", ("Flax", "weights without their net")),
    "net.npz": (archive(a=b""), ("weights without their net",)),
    "net.index": (b"", ("checkpoint of TensorFlow", "load_weights")),
    "net.py": (b"import torch", ("source code", "bakeoff.convert(net")),
    "net.json": (b"{}", ("settings without its weights",)),
    "script.pt": (archive(net__data=b"", **{"net__code____torch__.py": b""}), ("TorchScript", "layers are gone")),
    "other.pt": (archive(net__archive_format=b"pt2"), ("exported program", "NAME.pt2")),
    "other.zip": (archive(**{"config.json": b"", "model.weights.h5": b""}), (".keras file", "NAME.keras")),
    "nets.zip": (archive(a=b""), ("an archive", "Unpack it")),
    "net.txt": (b"", ("nothing that can be converted", "--weights FILE")),
}
FOLDERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "of Keras 2": (("saved_model.pb", "keras_metadata.pb"), ("SavedModel", "load_model('", "').save('NAME.h5')")),
    "of TensorFlow": (("saved_model.pb",), ("SavedModel", "model.save('NAME.keras')")),
    "unpacked": (("config.json", "metadata.json", "model.weights.h5"), ("unpacked .keras", "Zip its files")),
    "of weights": (("checkpoint", "net.index"), ("checkpoint of TensorFlow",)),
    "of Orbax": (("_METADATA",), ("Orbax",)),
    "of pictures": (("cat.jpg",), ("nothing that can be converted",)),
}


@pytest.mark.parametrize("name", FILES)
def test_files(name: str, tmp_path: Path) -> None:
    data, said = FILES[name]
    (tmp_path / name).write_bytes(data)
    refused(tmp_path / name, said)


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(name: str, tmp_path: Path) -> None:
    files, said = FOLDERS[name]
    for file in files:
        (tmp_path / file).write_bytes(b"")
    refused(tmp_path, said)


def refused(path: Path, said: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as error:
        recognise(str(path))
    assert all(part in str(error.value) for part in said), str(error.value)
    assert str(error.value).startswith(str(path))
    assert str(error.value).count("\n") <= 2


def test_weights_alone(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"fc.weight": np.ones((2, 2), "float32")}, str(tmp_path / "net.safetensors"))
    refused(tmp_path / "net.safetensors", ("weights without their net", f"--weights {tmp_path / 'net.safetensors'}"))
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 9]}}).encode()
    (tmp_path / "net.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    refused(tmp_path / "net.safetensors", ("net.safetensors",))  # damaged: in its reader's words


@pytest.mark.parametrize("value", [Net(), {"net": Net()}])
def test_a_pickled_module_is_not_executed(value: Any, tmp_path: Path) -> None:
    data = archive(**{"net__data.pkl": pickle.dumps(value, 2), "net__version": b"3"})
    (tmp_path / "net.pt").write_bytes(data)
    refused(tmp_path / "net.pt", ("pickled torch module", "torch.load it, and bakeoff.convert(net"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("net.keras", "bakeoff convert SOURCE"),
        (Path("net.keras"), "bakeoff convert SOURCE"),
        ({"fc.weight": 1}, "load_state_dict"),
        (Net, "a class"),
        (Net(), "expected an nn.Module or a keras.Model"),
        (None, "expected an nn.Module or a keras.Model"),
    ],
)
def test_objects(value: Any, said: str) -> None:
    assert said in foreign.thing(value)
