"""TensorFlow: a SavedModel as its server wants it, NAME/VERSION/, that takes the bytes of image files.

Signatures: `exports.serving.signatures`. Beside the graph, in assets.extra: what every export says about itself, the
labels, and a card for people.
"""

from __future__ import annotations

from pathlib import Path

from bakeoff.bundle import Bundle
from bakeoff.errors import UsageError
from bakeoff.exports._text import input_shape, telling, text
from bakeoff.exports.serving.card import card
from bakeoff.exports.serving.signatures import endpoints

EXTENSION = ""
FOLDER = "saved_model"
TELLS = ("float32",)
OPTIONS = ("model_version",)
HELP = "a SavedModel folder NAME/VERSION that takes bytes of images, for TensorFlow and TensorFlow Serving"


def placed(target: Path, force: bool, model_version: int | None = None) -> Path:
    """The folder of a version below `target`: the next that is free, or the one that is asked for.

    Raises:
        UsageError: that version is there already, or `target` is no folder of versions.
    """
    from bakeoff.runtimes.savedmodel import GRAPH, versions

    there = versions(target)
    number = (there[-1] + 1 if there else 1) if model_version is None else model_version
    if not 1 <= number < 10**18:
        raise UsageError(f"--model-version {number}: expected a number from 1 on.")
    if target.exists() and not there and (target.is_file() or any(target.iterdir())):
        found = "a file" if target.is_file() else "one version of a model" if (target / GRAPH).exists() else "in use"
        raise UsageError(f"{target}: {found}; expected a folder of versions, or none yet. Choose another --output.")
    if number in there and not force:
        raise UsageError(f"{target / str(number)}: is there already. Leave --model-version out, or replace it: --force")
    return target / str(number)


def write(bundle: Bundle, path: Path) -> Path:
    """Write the folder of a version.

    Raises:
        UsageError: this process has Keras on another backend.
    """
    from bakeoff.runtimes import _missing, savedmodel
    from bakeoff.runtimes._metadata import FILE

    keras = _missing.keras("export to SavedModel")
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"Keras runs on {keras.backend.backend()} in this process; a SavedModel is written by TensorFlow.\n"
            "Use a process of its own with KERAS_BACKEND=tensorflow, as the command line does."
        )
    from bakeoff.frameworks._keras.build import build

    tf = _missing.library("tensorflow", "tensorflow", "export to SavedModel")
    net = build(telling(bundle), batch_norm="stock").model
    said = {FILE: text(bundle), "labels.txt": "".join(f"{name}\n" for name in bundle.classes), "card.md": card(bundle)}
    savedmodel.save(net, path, endpoints(tf, net, bundle, input_shape(bundle)), said)
    return path
