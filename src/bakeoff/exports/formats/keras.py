"""Keras: one `.keras` file of Keras's own layers, input (N, H, W, C), and NAME.keras.bakeoff.json beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff.bundle import Bundle
from bakeoff.exports._text import exported, text

EXTENSION = ".keras"
HELP = "one .keras file of stock layers, input (N, H, W, C); keras.saving.load_model reads it without Bakeoff"


def made(bundle: Bundle, *, stock: bool = True) -> Any:
    """What is written: the keras.Model.

    Args:
        stock: of Keras's own layers alone, as a file that others read wants; they hold a bare weight in a PReLU.
    """
    from bakeoff.runtimes import _missing

    _missing.keras("export to .keras")
    from bakeoff.frameworks._keras.build import build

    return build(exported(bundle), batch_norm="stock" if stock else "exact").model


def write(bundle: Bundle, path: Path) -> Path:
    """Write the file and the one beside it."""
    from bakeoff.runtimes import keras_file

    keras_file.save(made(bundle), path)
    keras_file.sidecar(path).write_text(text(bundle), encoding="utf-8")
    return path
