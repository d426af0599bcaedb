"""What can't be converted, by what it is, and the way out: of files and folders, and of objects in Python.

Nothing is imported or executed: names and first bytes tell.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from bakeoff import checkpoints
from bakeoff.errors import BakeoffError
from bakeoff.files import regular
from bakeoff.shown import shell

LIVE = "bakeoff.convert(net, to='keras' or 'torch')"
WEIGHTS = "weights without their net.\nName their net: bakeoff convert timm/NAME --to keras --weights {path}"
RENAMED = "weights without their net.\nGive the net's name, and them as .safetensors under the names that it has."
PREDICTS = (
    "for prediction alone: what training needs is gone.\n"
    f"Give what it was exported from: a .keras, .h5 or .pt2 file, or the net itself in Python, {LIVE}."
)
CHECKPOINT = (
    "a checkpoint of TensorFlow, weights without their net.\n"
    "In Python, load_weights() it into the Keras model that it is of, and save that: model.save('NAME.keras')."
)
MODULE = f"a pickled torch module, whose code would run.\nWhere that code is yours: torch.load it, and {LIVE}."
SCRIPT = f"a TorchScript program, whose layers are gone.\nGive the module that it was made from: {LIVE}."
SAVED = "a SavedModel of TensorFlow, whose layers are gone.\n"
SUFFIXES = {
    ".tflite": f"a LiteRT (TensorFlow Lite) net, {PREDICTS}",
    ".onnx": f"an ONNX net, {PREDICTS}",
    ".pb": f"a frozen graph of TensorFlow, {PREDICTS}",
    ".mlmodel": f"a Core ML net, {PREDICTS}",
    ".mlpackage": f"a Core ML net, {PREDICTS}",
    ".engine": f"a TensorRT engine, {PREDICTS}",
    ".msgpack": f"Flax's {RENAMED}",
    ".npz": RENAMED,
    ".npy": RENAMED,
    ".index": CHECKPOINT,
    ".data-00000-of-00001": CHECKPOINT,
    ".py": f"source code, which isn't run.\nIn Python, import it, and give the net: {LIVE}.",
    ".json": "a net's settings without its weights.\nGive the file with both: .keras, .h5 or .pt2.",
}
FOLDERS = {
    "keras_metadata.pb": SAVED + "In Keras 2 (tf_keras): load_model('{path}').save('NAME.h5'), and give that file.",
    "saved_model.pb": f"{SAVED}Give the Keras model that it was exported from: model.save('NAME.keras').",
    "model.weights.h5": "an unpacked .keras file.\nZip its files as NAME.keras, and give that.",
    "checkpoint": CHECKPOINT,
    "_METADATA": f"a checkpoint of Orbax, {RENAMED}",
    "Manifest.json": f"a Core ML net, {PREDICTS}",
}
STATE = "weights without their net.\nload_state_dict() them into their module, and give that."
PATH = "a name.\nNames and files go through the command line: bakeoff convert SOURCE --to keras"
OBJECTS = {
    "dict": STATE,
    "OrderedDict": STATE,
    "str": PATH,
    "PosixPath": PATH,
    "WindowsPath": PATH,
    "ExportedProgram": "an exported program.\nGive its module: program.module().",
    "RecursiveScriptModule": SCRIPT,
    "ModelProto": f"an ONNX net, {PREDICTS}",
    "_UserObject": FOLDERS["saved_model.pb"],
    "type": "a class.\nGive a net that was made of it.",
}


def file(path: Path) -> str | None:
    """What lies there and what to give in its place; None where nothing is known of it."""
    if path.is_dir():
        return _folder(path)
    said = SUFFIXES.get(path.suffix.lower())
    with regular(path) as stream:
        head = stream.read(8)
    if head[4:8] == b"TFL3":
        said = SUFFIXES[".tflite"]
    elif said is None and zipfile.is_zipfile(path):
        said = _zip(path)
    elif said is None:
        said = _weights(path)
    return said.format(path=shell(path)) if said else None


def _folder(path: Path) -> str | None:
    names = {one.name for one in path.iterdir()}
    return next((said.format(path=shell(path)) for name, said in FOLDERS.items() if name in names), None)


def _zip(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        inside = {name.partition("/")[2] for name in archive.namelist()}
        if {"config.json", "model.weights.h5"} <= set(archive.namelist()):
            return "a .keras file under another name.\nCall it NAME.keras."
    if "archive_format" in inside:
        return "an exported program of torch under another name.\nCall it NAME.pt2."
    if any(name.startswith("code/") for name in inside):
        return SCRIPT
    return _weights(path) if "data.pkl" in inside else "an archive.\nUnpack it, and give the file that holds the net."


def _weights(path: Path) -> str | None:
    try:
        kind = checkpoints.kind(path)
    except BakeoffError:
        return None
    try:
        checkpoints.read(path)
    except BakeoffError as error:
        return MODULE if kind == "torch" and "was not executed" in str(error) else str(error)
    return WEIGHTS


def thing(value: Any) -> str:
    """What came instead of a live net, and what to give in its place."""
    kind = type(value)
    known = OBJECTS.get(kind.__name__, "expected an nn.Module or a keras.Model.")
    return f"a {kind.__module__}.{kind.__qualname__} came: {known}"
