"""Keras's own `.keras` file; what it can't hold lies in NAME.keras.bakeoff.json beside it."""

from __future__ import annotations

import importlib
import json
import math
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from bakeoff.checkpoints import hdf5
from bakeoff.checkpoints.keras import CONFIG, METADATA, check
from bakeoff.errors import CorruptError
from bakeoff.files import workspace
from bakeoff.runtimes._metadata import FILE, KEY
from bakeoff.runtimes._missing import keras as the_keras
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array

READS = "a .keras file"
SUFFIX = ".keras"
DATE = "1980-01-01@00:00:00"
STEP, SIDE = 32, 224
VALUES_A_CALL = 4 * SIDE * SIDE * 3  # of the input
TRUSTED = ("keras", "bakeoff.frameworks._keras.layers")  # where a layer's class may come from


def accepts(path: Path) -> bool:
    """Whether it is a file of this kind, by its name."""
    return path.suffix == SUFFIX and path.is_file()


def sidecar(path: Path) -> Path:
    """The file beside a `.keras` file that says how images are prepared and what the classes are called."""
    return path.with_name(f"{path.name}.{FILE}")


def save(model: Any, path: Path) -> None:
    """Write a Keras model: the same one to the same bytes, whenever and wherever it is written.

    Keras puts the time into the file twice, and the addresses of objects that layers share.
    """
    whole = path.with_name(f".{path.name}.{os.getpid()}{SUFFIX}")
    try:
        model.save(str(whole))
        with zipfile.ZipFile(whole) as made, zipfile.ZipFile(path, "w") as written:
            for name in made.namelist():
                member = zipfile.ZipInfo(name)  # of 1980
                member.external_attr = 0o644 << 16
                if name in (CONFIG, METADATA):
                    written.writestr(member, _timeless(json.loads(made.read(name))))
                    continue
                with made.open(name) as source, written.open(member, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    finally:
        whole.unlink(missing_ok=True)


def _timeless(value: dict[str, Any]) -> str:
    """A config or metadata as JSON, shared objects numbered as they come, without a date."""
    numbers: dict[int, int] = {}
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "shared_object_id" in item:
                item["shared_object_id"] = numbers.setdefault(item["shared_object_id"], len(numbers) + 1)
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return json.dumps({key: DATE if key == "date_saved" else item for key, item in value.items()})


def model(path: Path) -> Any:
    """The keras.Model in a `.keras` or whole `.h5` file, after the file was looked through.

    Raises:
        MissingDependencyError: Keras is not installed.
        DataError: the file holds no net, or one that this Keras has no form for.
        CorruptError: the file is damaged, or holds code or classes that are not Keras's own.
    """
    config = check(path)
    keras = the_keras("a .keras file")
    importlib.import_module(TRUSTED[1])  # Keras finds by name only what was registered
    try:
        if path.suffix == SUFFIX:
            return keras.saving.load_model(str(path), compile=False, safe_mode=True)
        with workspace("keras") as folder:
            copy = Path(shutil.copyfile(path, folder / "net.h5"))
            hdf5.set_config(copy, json.dumps(config))
            return keras.saving.load_model(str(copy), compile=False, safe_mode=True)
    except Exception as error:  # Keras raises what its parsers raise
        raise CorruptError(
            f"{path}: Keras can't load it ({str(error).splitlines()[0][:200]}). Export it anew."
        ) from None


def ready() -> None:
    """Import what reads it.

    Raises:
        MissingDependencyError: that is not installed.
    """
    the_keras("a .keras file")


def load(path: Path, threads: int | None = None, trust: bool = False) -> FunctionRuntime:
    """The model as a runtime; it takes (N, H, W, C). Trusted or not, it consists of Keras's own layers.

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
    return FunctionRuntime(f"keras-{keras.backend.backend()}", logits, {KEY: text}, step_of(net.inputs[0].shape))


def step_of(shape: tuple[int | None, ...]) -> int:
    """How many images a call may get: what every layer gave is kept until the last one is done, which is 80 MB an image
    of EfficientNet-lite0.

    Args:
        shape: (N, H, W, C); None: any size.
    """
    return max(1, min(STEP, VALUES_A_CALL // math.prod(size or SIDE for size in shape[1:])))
