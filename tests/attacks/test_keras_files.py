"""Hostile `.keras` and HDF5 files: refused by name before Keras sees them, and no other file is followed."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff import checkpoints
from bakeoff.checkpoints.keras import check
from bakeoff.errors import BakeoffError, CorruptError

h5py = pytest.importorskip("h5py")


def layer(**item: Any) -> dict[str, Any]:
    """A model of one layer."""
    return {"module": "keras", "class_name": "Functional", "config": {"name": "net", "layers": [item]}}


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "Lambda": (layer(module="keras.layers", class_name="Lambda", config={"function": {}}), "Lambda"),
    "bytecode of a function": (
        layer(
            module="keras.layers",
            class_name="Activation",
            config={"activation": {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}},
        ),
        "__lambda__",
    ),
    "a custom object": (
        layer(module="evil", class_name="Layer", registered_name="evil>Layer", config={}),
        "evil.Layer",
    ),
    "a registered custom object": (
        layer(module="keras.layers", class_name="Dense", registered_name="evil>Dense", config={}),
        "evil>Dense",
    ),
    "a function of the system": (
        layer(module="os", class_name="function", registered_name="function", config="system"),
        "os.function",
    ),
    "a class of the system": (layer(module="subprocess", class_name="Popen", config={}), "subprocess.Popen"),
    "builtins": (layer(module="builtins", class_name="eval", config="1"), "builtins.eval"),
    "a module that begins like Keras": (layer(module="kerasevil.layers", class_name="Dense"), "kerasevil.layers.Dense"),
    "get_file": (
        layer(module="keras.utils", class_name="function", config="get_file", registered_name="get_file"),
        "keras.utils.function",
    ),
    "unsafe deserialisation": (
        layer(module="keras.config", class_name="function", config="enable_unsafe_deserialization"),
        "keras.config.function",
    ),
    "load_model inside": (
        layer(module="keras.saving", class_name="function", config="load_model"),
        "load_model|saving",
    ),
    "TFSMLayer": (layer(module="keras.layers", class_name="TFSMLayer", config={"filepath": "/evil"}), "TFSMLayer"),
    "TorchModuleWrapper": (
        layer(module="keras.layers", class_name="TorchModuleWrapper", config={"module": "gASV"}),
        "TorchModuleWrapper",
    ),
    "a vocabulary from a file": (
        layer(module="keras.layers", class_name="StringLookup", config={"vocabulary": "/etc/passwd"}),
        "vocabulary",
    ),
    "hidden in a default": (
        layer(
            module="keras.layers",
            class_name="Dense",
            config={
                "kernel_initializer": {"module": "os", "class_name": "system", "config": {"command": "touch hacked"}}
            },
        ),
        "os.system",
    ),
}


def keras_file(path: Path, config: Any, weights: bytes = b"") -> Path:
    """A `.keras` file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        archive.writestr("metadata.json", "{}")
        if weights:
            archive.writestr("model.weights.h5", weights)
    return path


@pytest.mark.parametrize("attack", CONFIGS)
def test_a_config_is_refused_by_name(attack: str, tmp_path: Path) -> None:
    config, name = CONFIGS[attack]
    path = keras_file(tmp_path / "x.keras", config)
    with pytest.raises(CorruptError, match=name):
        check(path)
    assert [one.name for one in tmp_path.iterdir()] == ["x.keras"]


def test_there_are_twelve_kinds() -> None:
    assert len(CONFIGS) + len(FILES) >= 12


# HDF5 -----------------------------------------------------------------------------------------------------------------


def external_link(file: Any, folder: Path) -> None:
    other = folder / "secret.h5"
    with h5py.File(other, "w") as secret:
        secret["key"] = np.ones(3)
    file["layers/dense/vars/0"] = h5py.ExternalLink(str(other), "/key")


def soft_link(file: Any, folder: Path) -> None:
    file["real"] = np.ones(3)
    file["layers/dense/vars/0"] = h5py.SoftLink("/real")


def external_storage(file: Any, folder: Path) -> None:
    (folder / "secret.bin").write_bytes(b"x" * 24)
    file.create_dataset("layers/dense/vars/0", (3,), "f8", external=[(str(folder / "secret.bin"), 0, 24)])


def virtual_dataset(file: Any, folder: Path) -> None:
    with h5py.File(folder / "secret.h5", "w") as secret:
        secret["key"] = np.ones(3)
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "key", (3,))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def oversized(file: Any, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/0", (2**40,), "f4", chunks=(2**16,), compression="gzip")


def loop(file: Any, folder: Path) -> None:
    group = file.create_group("layers")
    group["again"] = group


def names(file: Any, folder: Path) -> None:
    file["layers/a"] = np.random.default_rng(0).random(1 << 20, np.float32)
    for number in range(150):
        file[f"layers/{number}"] = file["layers/a"]


def chunk(file: Any, folder: Path) -> None:
    """One number in a chunk of 1 GiB, which is unpacked whole."""
    file.create_dataset("a", (1,), "f4", chunks=(1 << 28,), maxshape=(None,), compression="gzip")


FILES: dict[str, tuple[Callable[[Any, Path], None], str]] = {
    "external link": (external_link, "is a link to"),
    "soft link": (soft_link, "is a link to"),
    "external storage": (external_storage, "in another file"),
    "virtual dataset": (virtual_dataset, "in another file"),
    "oversized": (oversized, "claims"),
    "groups in a circle": (loop, "without end"),
    "many names of one array": (names, "it claims"),
    "a chunk larger than all": (chunk, "it claims"),
}


@pytest.mark.parametrize("attack", FILES)
def test_hdf5_is_refused_by_name(attack: str, tmp_path: Path) -> None:
    make, says = FILES[attack]
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        make(file, tmp_path)
    with pytest.raises(CorruptError, match=f"(layers/dense/vars/0.*)?{says}"):
        checkpoints.read(tmp_path / "x.weights.h5")


@pytest.mark.parametrize("attack", FILES)
def test_hdf5_inside_a_keras_file_is_refused(attack: str, tmp_path: Path) -> None:
    make, says = FILES[attack]
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        make(file, tmp_path)
    plain = {"module": "keras", "class_name": "Functional", "config": {"layers": []}}
    path = keras_file(tmp_path / "x.keras", plain, stream.getvalue())
    with pytest.raises(CorruptError, match=says):
        check(path)


def test_plain_weights_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.arange(6.0).reshape(2, 3)
        file["layers/dense"].attrs["name"] = "dense"
    found = checkpoints.read(tmp_path / "x.weights.h5")
    np.testing.assert_array_equal(found["layers/dense/vars/0"], np.arange(6.0).reshape(2, 3))


# the zip --------------------------------------------------------------------------------------------------------------


def test_paths_that_leave_the_archive(tmp_path: Path) -> None:
    for name in ("../evil", "/etc/evil", "a/../../b", "C:evil"):
        path = tmp_path / "x.keras"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
            archive.writestr(name, "x")
        with pytest.raises(CorruptError, match="leaves the archive"):
            check(path)


def test_a_link_in_the_zip(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("model.weights.h5")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(CorruptError, match="holds a link"):
        check(tmp_path / "x.keras")


def test_a_bomb(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.keras", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("config.json", " " * 50_000_000 + "{}")
    with pytest.raises(CorruptError, match="expands"):
        check(tmp_path / "x.keras")


@pytest.mark.parametrize("config", ["", "{", "[]", "[" * 100_000, '{"a":' * 50_000])
def test_a_config_that_is_none(config: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptError, match="its config"):
        check(keras_file(tmp_path / "x.keras", config))


def encrypted(path: Path) -> None:
    data = bytearray(keras_file(path, {}).read_bytes())
    data[6] |= 1  # of the first member, and of its entry in the directory
    data[data.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)


def damaged(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps({"a": list(range(999))}))
    data = bytearray(path.read_bytes())
    data[60:90] = bytes(30)
    path.write_bytes(data)


def long(path: Path) -> None:
    keras_file(path, '{"a":[' + "{}," * (6 << 20) + "{}]}")


ZIPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "a pipe, not a file"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "a device, not a file"),
    "a folder": (Path.mkdir, "a folder, not a file|Is a directory"),
    "encrypted": (encrypted, "is encrypted"),
    "damaged inside": (damaged, "damaged"),
    "a config of 18 MB": (long, "bytes of text"),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("attack", ZIPS)
def test_it_is_opened_as_a_file_and_read_within_reason(attack: str, suffix: str, tmp_path: Path) -> None:
    make, says = ZIPS[attack]
    path = tmp_path / f"x{suffix}"
    make(path)
    zipped = path.is_file() and suffix == ".h5"
    with pytest.raises(BakeoffError, match="not HDF5" if zipped else says):
        check(path)
    with pytest.raises(BakeoffError):
        checkpoints.read(path)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_config_of_few_words_takes_no_memory(tmp_path: Path) -> None:
    """Two layers of 40,000 units: 6 GB in a file of a kilobyte."""
    sizes: list[tuple[str, dict[str, Any]]] = [("InputLayer", {"batch_shape": [None, 8]})]
    sizes += [("Dense", {"units": 40_000})] * 2
    layers = [
        {"module": "keras.layers", "class_name": name, "config": {"name": f"l{place}", "dtype": "float32", **more}}
        for place, (name, more) in enumerate(sizes)
    ]
    config = {"name": "net", "layers": layers, "build_input_shape": [None, 8]}
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_group("layers")
    whole = {"module": "keras", "class_name": "Sequential", "config": config}
    path = keras_file(tmp_path / "x.keras", whole, stream.getvalue())
    line = [sys.executable, "-m", "bakeoff", "convert", str(path), "--to", "bundle", "--output", str(tmp_path / "out")]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 8, done.stderr
    assert "asks for more than 2.0 GiB of memory" in done.stderr
