"""TensorFlow: a SavedModel folder, signature `serving_default`, input `input` (N, H, W, C), output `logits`."""

from __future__ import annotations

from pathlib import Path

from bakeoff.bundle import Bundle
from bakeoff.errors import UsageError
from bakeoff.exports._text import exported, input_shape, text

EXTENSION = ""
FOLDER = "saved_model"
HELP = "a SavedModel folder, signature serving_default, input (N, H, W, C), for TensorFlow and TensorFlow Serving"


def write(bundle: Bundle, path: Path) -> Path:
    """Write the folder.

    Raises:
        UsageError: this process has Keras on another backend.
    """
    from bakeoff.runtimes import _missing, savedmodel

    keras = _missing.keras("export to SavedModel")
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"Keras runs on {keras.backend.backend()} in this process; a SavedModel is written by TensorFlow.\n"
            "Use a process of its own with KERAS_BACKEND=tensorflow, as the command line does."
        )
    from bakeoff.frameworks._keras.build import build

    graph = exported(bundle)
    model = build(graph, batch_norm="stock").model
    savedmodel.save(model, path, input_shape(bundle), text(bundle), next(iter(graph.outputs)))
    return path
