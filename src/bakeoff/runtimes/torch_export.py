"""torch.export's `.pt2`: the native net as an exported program, batch size free.

torch.export.load is made for files that are trusted: it unpickles some tensors, loads compiled code, evaluates the
expressions of sizes (sympy's `sympify` calls `eval`), imports what an enum names, and writes the names of a graph into
Python code. So a file is looked through first, and what a classifier doesn't need is refused. Readers of zip files
differ in what they take of two entries of one name: torch is given an archive that is made of what was looked at.
"""

from __future__ import annotations

import json
import logging
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.errors import CorruptError
from bakeoff.files import atomic_write, growth, regular
from bakeoff.runtimes._allowed import hold
from bakeoff.runtimes._metadata import FILE, KEY
from bakeoff.runtimes._missing import library
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array

READS = "a .pt2 file"
SUFFIX = ".pt2"
KIND = "torch_export"
TARGET = re.compile(
    r"torch\.ops\.aten\.(\w+)\.\w+|torch\.sym_\w+|_operator\.(?:getitem|add|sub|mul|floordiv|mod|eq|ge|le|gt|lt)"
)
SYMBOLIC = re.compile(r"[\w\s'(),=+*/-]*")
WORDS = re.compile(
    r"[su]?\d+|Symbol|Integer|Add|Mul|Pow|Mod|Max|Min|FloorDiv|PythonMod|CleanDiv|True|False"
    r"|positive|nonnegative|integer"
)
PARTS = re.compile(  # of the archive; the last line: of torch before 2.8. No compiled code, no objects of classes
    r"[^/]+/(archive_(format|version)|byteorder|\.data/\w+|\.\w+|extra/.+|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/(weights|constants)/((weight|tensor)_\d+|model\.pt|model_(weights|constants)_config\.json))"
    r"|version|serialized_exported_program\.json|serialized_(state_dict|constants|example_inputs)\.pt|extra_files/.+"
)
READ = ("target", "expr_str")  # of a node's metadata the other texts are split, and looked up by name
SPECS = ("in_spec", "out_spec", "context")  # JSON within JSON
NAME = re.compile(r"[\w\s.,:+<>|-]*")  # no call can be made of it


def accepts(path: Path) -> bool:
    """Whether it is a file of this kind, by its name."""
    return path.suffix == SUFFIX and path.is_file()


def program(module: Any, shape: tuple[int, int, int]) -> Any:
    """The exported program of a module that takes (N, C, H, W).

    Args:
        module: in eval mode.
        shape: (height, width, channels).
    """
    torch = library("torch", "torch", "export to .pt2")
    height, width, channels = shape
    example = torch.zeros(2, channels, height, width, dtype=torch.float32)
    batch = torch.export.Dim("batch")
    found = torch.export.export(module, (example,), dynamic_shapes=({0: batch},))
    for node in found.graph.nodes:
        node.meta.pop("stack_trace", None)  # where torch is installed
        node.meta.pop("custom", None)  # what torch's compiler leaves alone: another one once it has run
    return found


def save(found: Any, path: Path, text: str) -> None:
    """Write a program, and what the file says about itself."""
    content = BytesIO()  # by its name, torch would write that into the file; and on a full disk torch ends the process
    library("torch", "torch", "export to .pt2").export.save(found, content, extra_files={FILE: text})
    with atomic_write(path) as file:
        file.write(content.getbuffer())


def ready() -> None:
    """Import what reads it.

    Raises:
        MissingDependencyError: that is not installed.
    """
    library("torch", "torch", "a .pt2 file")


def load(path: Path, threads: int | None = None, trust: bool = False) -> FunctionRuntime:
    """The program as a runtime; arguments: see `module`.

    Raises:
        MissingDependencyError: torch is not installed.
        CorruptError: the file is damaged, or asks for what a classifier doesn't need.
    """
    torch = library("torch", "torch", "a .pt2 file")
    if threads:
        torch.set_num_threads(threads)
    native, text = module(path, trust)

    def logits(images: Array) -> Array:
        with torch.no_grad():
            given = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
            out: Array = native(given).numpy()
        return out

    return FunctionRuntime("torch", logits, {KEY: text})


def module(path: Path, trust: bool = False) -> tuple[Any, str]:
    """The program as a module, and what the file says about itself.

    Args:
        path: the file.
        trust: take operators that classifiers don't need, too; what could run code is refused all the same.

    Raises:
        MissingDependencyError: torch is not installed.
        CorruptError: the file is damaged, or asks for what a classifier doesn't need.
    """
    torch = library("torch", "torch", "a .pt2 file")
    looked_through = _refuse_hostile(path, trust)
    extra = {FILE: ""}
    try:
        with _tensors_only():
            native = torch.export.load(looked_through, extra_files=extra).module()
    except Exception as error:  # torch raises what its parsers raise
        raise CorruptError(
            f"{path}: torch can't load it ({str(error).splitlines()[0][:200]}). Export it anew."
        ) from None
    return native, extra[FILE]


@contextmanager
def _tensors_only() -> Iterator[None]:
    """torch.load takes tensors alone, whatever its caller says; and torch logs no traceback."""
    log = logging.getLogger("torch.export")
    log.disabled, name = True, "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        log.disabled = False
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _refuse_hostile(path: Path, trust: bool = False) -> BytesIO:
    """An archive of what was looked through, each part once and stored plainly."""
    kept, texts, seen = BytesIO(), [], set[str]()
    try:
        with regular(path) as file, zipfile.ZipFile(file) as archive, zipfile.ZipFile(kept, "w") as looked_through:
            if sum(one.file_size for one in archive.infolist()) > growth(path):
                raise ValueError("it grows a hundredfold: a bomb")
            for entry in archive.infolist():
                name, part = entry.filename, archive.read(entry)
                if name.lower() in seen or not PARTS.fullmatch(name):
                    raise ValueError(f"it holds {name[:80]!r}{' twice' * (name.lower() in seen)}, and could run code")
                seen.add(name.lower())
                looked_through.writestr(name, part)
                if name.endswith(".json") and "extra" not in name.split("/")[:2]:
                    texts.append(json.loads(part))
    except Exception as error:  # of zipfile, zlib, JSON
        raise CorruptError(f"{path}: not a .pt2 file, or damaged ({error}). Export it anew.") from None
    waiting: list[Any] = [("", text) for text in texts]
    operators: set[str] = set()
    while waiting:
        key, value = waiting.pop()
        if not _harmless(key, value):
            raise CorruptError(f"{path}: its {key} is {str(value)[:80]!r}, which could run code. It was not loaded.")
        if key == "target" and isinstance(value, str) and (named := TARGET.fullmatch(value)) and named[1]:
            operators.add(named[1])
        if key in SPECS and isinstance(value, str):
            value = _spec(value)
        if isinstance(value, dict):
            said = {
                name: one for name, one in value.items() if key != "metadata" or name in READ or type(one) is not str
            }
            waiting += [*said.items(), *(("name", name) for name in said)]
        elif isinstance(value, list):
            waiting += [(key, item) for item in value]
    if not trust:
        hold(path, KIND, operators)
    kept.seek(0)
    return kept


def _spec(text: str) -> Any:
    """A structure of inputs and outputs, as torch reads it; what isn't one is a name."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {"name": text}


def _harmless(key: str, value: Any) -> bool:
    if key == "use_pickle":
        return value is False
    if key == "target" and isinstance(value, str):
        return TARGET.fullmatch(value) is not None
    if key == "expr_str":
        words = re.findall(r"\w+", str(value))
        return SYMBOLIC.fullmatch(str(value)) is not None and all(WORDS.fullmatch(word) for word in words)
    if key == "path_name":
        return re.fullmatch(r"(weight|tensor)_\d+", str(value)) is not None
    if value in ("__enum__", "collections.defaultdict"):  # both import what they name
        return False
    return not isinstance(value, str) or key in SPECS or NAME.fullmatch(value) is not None
