"""Keras's own `.keras` file; what it can't hold lies in NAME.keras.bakeoff.json beside it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from bakeoff.checkpoints.keras import check
from bakeoff.errors import CorruptError
from bakeoff.runtimes._metadata import FILE, KEY
from bakeoff.runtimes._missing import keras as the_keras
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array

READS = "a .keras file"
SUFFIX = ".keras"
TRUSTED = ("keras", "bakeoff.frameworks._keras.layers")  # where a layer's class may come from


def accepts(path: Path) -> bool:
    """Whether it is a file of this kind, by its name."""
    return path.suffix == SUFFIX and path.is_file()


def sidecar(path: Path) -> Path:
    """The file beside a `.keras` file that says how images are prepared and what the classes are called."""
    return path.with_name(f"{path.name}.{FILE}")


def save(model: Any, path: Path) -> None:
    """Write a Keras model."""
    model.save(str(path))


def model(path: Path) -> Any:
    """The keras.Model in a file, after the file was looked through.

    Raises:
        MissingDependencyError: Keras is not installed.
        CorruptError: the file is damaged, or holds code or classes that are not Keras's own.
    """
    _refuse_foreign(path)
    keras = the_keras("a .keras file")
    importlib.import_module(TRUSTED[1])  # Keras finds by name only what was registered
    try:
        return keras.saving.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:  # Keras raises what its parsers raise
        raise CorruptError(
            f"{path}: Keras can't load it ({str(error).splitlines()[0][:200]}). Export it anew."
        ) from None


def load(path: Path, threads: int | None = None) -> FunctionRuntime:
    """The model as a runtime; it takes (N, H, W, C).

    Raises:
        MissingDependencyError: Keras is not installed.
        CorruptError: the file is damaged, or holds code or classes that are not Keras's own.
    """
    net = model(path)
    keras = the_keras("a .keras file")

    def logits(images: Array) -> Array:
        out: Array = keras.ops.convert_to_numpy(net(images, training=False))
        return out

    beside = sidecar(path)
    text = beside.read_text(encoding="utf-8") if beside.is_file() else ""
    return FunctionRuntime(f"keras-{keras.backend.backend()}", logits, {KEY: text})


def _refuse_foreign(path: Path) -> None:
    """Before Keras sees the file: no code, no class from elsewhere, no other file."""
    check(path)
