"""Reads the files in which others keep weights, without executing anything of them.

    torch.py          .pth, .pt, .bin, .ckpt: torch's zip and its older format
    safetensors.py    .safetensors
    hdf5.py           .h5, .hdf5, .weights.h5: Keras's weights
    keras.py          .keras: Keras's weights, and what its config may name

Each gives arrays by name. Nothing is imported, called or built that a file names, and no other file is followed. A new
format is one file: `SUFFIXES`, and `read(path) -> {name: array}`.
"""

from __future__ import annotations

from pathlib import Path

from bakeoff import registry
from bakeoff.errors import DataError
from bakeoff.files import regular
from bakeoff.schemas import Array

__all__ = ["kind", "read"]
MODELS = {".pt2": "a whole program, not a file of weights: give it as the source itself", ".onnx": "a whole net"}


def kind(path: str | Path) -> str:
    """The format of a file, by its first bytes where they tell, else by its name: torch, safetensors, hdf5 or keras.

    Raises:
        DataError: none that Bakeoff reads.
    """
    path = Path(path)
    try:
        with regular(path) as file:
            head = file.read(16)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. Expected a file of weights.") from None
    suffix = path.suffix.lower()
    if suffix in MODELS:
        raise DataError(f"{path}: {MODELS[suffix]}.\nExpected a .pth, .safetensors, .keras or .h5 file.")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    known = {suffix: name for name in registry.names(__name__) for suffix in _suffixes(name)}
    if suffix in known:
        return known[suffix]
    what = f"unknown suffix {suffix!r}" if suffix else "it has no suffix"
    raise DataError(f"{path}: {what}. Expected weights: {', '.join(sorted(known))}.")


def read(path: str | Path) -> dict[str, Array]:
    """The arrays of a file of weights by name.

    Raises:
        DataError: it can't be opened, or is of no known format.
        CorruptError: it is truncated, inconsistent or hostile; nothing of it was executed.
        MissingDependencyError: HDF5 needs h5py.
    """
    found: dict[str, Array] = registry.load(__name__, kind(path)).read(Path(path))
    return found


def _suffixes(name: str) -> tuple[str, ...]:
    found: tuple[str, ...] = registry.load(__name__, name).SUFFIXES
    return found
