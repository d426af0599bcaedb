"""torch.export's `.pt2`: the native net as an exported program, batch size free.

torch.export.load is made for files that are trusted: it unpickles some tensors and evaluates the expressions of sizes
(sympy's `sympify` calls `eval`). So a file is looked through first, and what a classifier doesn't need is refused.
"""

from __future__ import annotations

import json
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
from bakeoff.files import FREE_BYTES, GROWTH, atomic_write, regular
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
    _refuse_hostile(path, trust)
    extra = {FILE: ""}
    try:
        with _tensors_only():
            program = torch.export.load(str(path), extra_files=extra)
    except Exception as error:  # torch raises what its parsers raise
        raise CorruptError(
            f"{path}: torch can't load it ({str(error).splitlines()[0][:200]}). Export it anew."
        ) from None
    return program.module(), extra[FILE]


@contextmanager
def _tensors_only() -> Iterator[None]:
    """torch.load takes tensors alone, whatever its caller says."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _refuse_hostile(path: Path, trust: bool = False) -> None:
    try:
        with regular(path) as file, zipfile.ZipFile(file) as archive:
            if sum(one.file_size for one in archive.infolist()) > max(FREE_BYTES, GROWTH * path.stat().st_size):
                raise ValueError("it grows a hundredfold: a bomb")
            texts = [json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")]
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
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, item) for item in value]
    if not trust:
        hold(path, KIND, operators)


def _harmless(key: str, value: Any) -> bool:
    if key == "use_pickle":
        return value is False
    if key == "target" and isinstance(value, str):
        return TARGET.fullmatch(value) is not None
    if key == "expr_str":
        words = re.findall(r"\w+", str(value))
        return SYMBOLIC.fullmatch(str(value)) is not None and all(WORDS.fullmatch(word) for word in words)
    return True
