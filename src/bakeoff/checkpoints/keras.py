"""`.keras`: a zip of config.json, metadata.json and model.weights.h5.

Loading one with Keras imports modules that its config names, calls functions that it names and opens files that it
names: `safe_mode` stops Lambda alone. So a file is looked through first: layers and what they are made of may come from
Keras's own rooms for such things, and nothing may name a file, an address or code.
"""

from __future__ import annotations

import json
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakeoff.checkpoints import hdf5
from bakeoff.checkpoints._keras2 import today
from bakeoff.errors import CorruptError, DataError
from bakeoff.files import regular
from bakeoff.schemas import Array

SUFFIXES = (".keras",)
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LARGEST_TEXT = 16 * 2**20  # Keras's own nets have up to 2
EXPANSION = 1000
ENCRYPTED = 1  # of a zip's flags
OWN = ("bakeoff.frameworks._keras.layers", "bakeoff.frameworks._keras.grouped")
ROOMS = tuple(
    """layers activations initializers regularizers constraints optimizers losses metrics models dtype_policies ops
    random quantizers distribution backend""".split()  # noqa: SIM905
)
FUNCTIONS = ("activations", "initializers", "losses", "metrics", "ops", "regularizers", "constraints")
MODELS = ("Functional", "Sequential", "Model")
NEVER = tuple(
    """Lambda __lambda__ TorchModuleWrapper TFSMLayer JaxLayer FlaxLayer __typespec__ load_model save_model clone_model
    enable_unsafe_deserialization get_file load_img save_img""".split()  # noqa: SIM905
)
APPLICATIONS = ("LayerScale", "CustomScaleLayer", "StochasticDepth")  # the layers there; its functions fetch weights
OF_KERAS_2 = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")
LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup")  # read a vocabulary from a path


def read(path: Path) -> dict[str, Array]:
    """The weights by their path in model.weights.h5, as `layers/conv2d/vars/0`.

    Raises:
        CorruptError: no such zip, damaged or hostile.
        MissingDependencyError: h5py is not installed.
    """
    with opened(path) as archive:
        return hdf5.read_bytes(archive.read(WEIGHTS), f"{path}: {WEIGHTS}")


def check(path: Path) -> dict[str, Any]:
    """The config of a `.keras` or whole `.h5` file that is safe to load with Keras: all that it names is known.

    That of an `.h5` file is in the words of Keras 3, whichever Keras wrote it.

    Raises:
        DataError: the file can't be opened, or holds weights alone.
        CorruptError: it is damaged, or names what could run code or read another file.
    """
    if path.suffix.lower() in hdf5.SUFFIXES:
        return _check_hdf5(path)
    with opened(path) as archive:
        try:
            config = json.loads(archive.read(CONFIG))
            metadata = json.loads(archive.read(METADATA)) if METADATA in archive.namelist() else {}
        except (ValueError, RecursionError) as error:
            raise CorruptError(f"{path}: its config is no JSON ({error}). Export it anew.") from None
        if not isinstance(config, dict) or not isinstance(metadata, dict):
            raise CorruptError(f"{path}: its config is no object. Export it anew.")
        version = str(metadata.get("keras_version"))
        if version.startswith("2"):
            raise DataError(
                f"{path}: a .keras file of Keras {version}, whose weights lie where Keras 3 doesn't look.\n"
                "In that Keras (or tf_keras): load_model it, model.save('NAME.h5'), and give that file."
            )
        check_config(config, str(path))
        if WEIGHTS in archive.namelist():
            hdf5_bytes = archive.read(WEIGHTS)
            hdf5.read_bytes(hdf5_bytes, f"{path}: {WEIGHTS}")
    return config


def _check_hdf5(path: Path) -> dict[str, Any]:
    text, version = hdf5.config(path)
    if text is None:
        raise DataError(f"{path}: weights without their net.\nGive the name of the net, and --weights {path}.")
    try:
        config = dict(json.loads(text))
        config = today(config) if version.startswith(("1", "2")) else config
    except (LookupError, AttributeError, TypeError, ValueError, RecursionError) as error:
        raise CorruptError(f"{path}: its model_config is damaged ({error}). Export it anew.") from None
    check_config(config, str(path))
    return config


def check_config(config: Any, what: str) -> None:
    """Refuse a config that names what isn't Keras's own, code, files or addresses.

    Raises:
        CorruptError: names the object.
    """
    for item in _dicts(config):
        name, module = item.get("class_name"), item.get("module")
        if name is not None:
            _check_object(str(name), module, item, what)
        if isinstance(item.get("function_type"), str) or "__lambda__" in item:
            raise CorruptError(f"{what}: it holds the code of a function, which would run. It was not loaded.")


def custom(config: Any) -> list[str]:
    """The layers in a config that plain Keras doesn't have, sorted: those of Bakeoff."""
    found = {str(item["class_name"]) for item in _dicts(config) if _own(item)}
    return sorted(found)


def _own(item: dict[str, Any]) -> bool:
    module, registered = item.get("module"), str(item.get("registered_name") or "")
    return "class_name" in item and (module in OWN or registered.startswith("bakeoff>"))


def _check_object(name: str, module: Any, item: dict[str, Any], what: str) -> None:
    shown = f"{module}.{name}" if module else name
    registered = item.get("registered_name")
    if name in OF_KERAS_2:
        called = (item.get("config") or {}).get("name", name)
        raise DataError(
            f"{what}: it holds {called!r}, an operation of Keras 2 between layers that Keras 3 has no form for.\n"
            "Build the net with a layer in its place, set_weights(old.get_weights()), and save that."
        )
    if name in NEVER or str(item.get("config")) in NEVER:
        raise CorruptError(f"{what}: it holds {shown}, which would run code or read files. It was not loaded.")
    if name in LOOKUPS and isinstance((item.get("config") or {}).get("vocabulary"), str):
        raise CorruptError(f"{what}: {shown} reads its vocabulary from a file. It was not loaded.")
    if not _trusted(name, module, item):
        raise CorruptError(f"{what}: it holds {shown}, which is not Keras's own and could run code. It was not loaded.")
    foreign = isinstance(registered, str) and ">" in registered and not registered.startswith("bakeoff>")
    if foreign:
        raise CorruptError(f"{what}: it holds the custom object {registered}. It was not loaded.")


def _trusted(name: str, module: Any, item: dict[str, Any]) -> bool:
    if not name.replace("_", "").isalnum():  # a path through attributes
        return name == "builtins.slice"
    if module is None:
        return name in ("__tensor__", "__numpy__", "__keras_tensor__", "__bytes__", "__ellipsis__", "__tuple__") or (
            not isinstance(item.get("config"), str) and name not in ("function", "__class__")
        )
    if module in OWN:
        return name[:1].isupper() or name == "function"
    if module == "builtins":
        if name == "function":  # an activation by its name: Keras looks it up among its own
            return isinstance(item.get("config"), str) and item["config"].isidentifier() and _harmless(item)
        return name in ("slice", "ellipsis")
    parts = str(module).split(".")
    if parts[0] != "keras":
        return False
    parts = parts[1:] if parts[1:2] != ["src"] else parts[2:]
    if not parts:
        return name in (*MODELS, "DTypePolicy", "FloatDTypePolicy", "Variable", "Layer")
    if parts[0] == "applications":
        return name in APPLICATIONS
    inside = parts[0] in ROOMS and "utils" not in parts and "saving" not in parts
    if name == "function":
        return inside and parts[0] in FUNCTIONS
    return inside and (name[:1].isupper() or parts[0] in ("activations", "ops"))


def _harmless(item: dict[str, Any]) -> bool:
    """A function that has no module of its own to be imported from, or an activation of Keras."""
    registered = item.get("registered_name")
    return registered in (None, "function") or registered == item["config"]


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


class opened:  # noqa: N801 - used like a function
    """The zip of a `.keras` file, looked through: no path that leaves it, no link, no expansion beyond reason."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> zipfile.ZipFile:
        path = self.path
        try:
            self.file = regular(path)
            self.archive = zipfile.ZipFile(self.file)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}. Expected a .keras file.") from None
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            self.file.close()
            raise CorruptError(f"{path}: not a .keras file, or damaged ({error}). Export it anew.") from None
        try:
            self._check()
        except BaseException:
            self.file.close()
            raise
        return self.archive

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.archive.close()
        self.file.close()
        if isinstance(error, zipfile.BadZipFile | NotImplementedError | EOFError | KeyError | zlib.error | OSError):
            raise CorruptError(f"{self.path}: not a .keras file, or damaged ({error}). Export it anew.") from None

    def _check(self) -> None:
        size = self.path.stat().st_size
        infos = self.archive.infolist()
        names = [info.filename for info in infos]
        for info in infos:
            name = info.filename
            if name.startswith("/") or "\\" in name or ".." in name.split("/") or ":" in name:
                raise CorruptError(f"{self.path}: its zip holds the path {name!r}, which leaves the archive.")
            if stat.S_ISLNK(info.external_attr >> 16):
                raise CorruptError(f"{self.path}: its zip holds a link, {name!r}.")
            if info.flag_bits & ENCRYPTED:
                raise CorruptError(f"{self.path}: {name!r} in its zip is encrypted.")
            if info.file_size > max(EXPANSION * max(info.compress_size, 1), 1024):
                raise CorruptError(
                    f"{self.path}: {name!r} expands {info.file_size // max(info.compress_size, 1)} times."
                )
            if name.endswith(".json") and info.file_size > LARGEST_TEXT:
                raise CorruptError(f"{self.path}: {name!r} has {info.file_size:,} bytes of text.")
        if sum(info.compress_size for info in infos) > size or len(set(names)) != len(names):
            raise CorruptError(f"{self.path}: the members of its zip overlap, or one stands twice.")
        if CONFIG not in names:
            raise CorruptError(f"{self.path}: a zip without {CONFIG}: no .keras file.")
