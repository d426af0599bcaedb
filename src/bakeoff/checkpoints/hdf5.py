"""Keras's weights in HDF5: `.weights.h5` of Keras 3, and the older `.h5` of whole models or of weights.

HDF5 can point at other files in three ways (external links, external storage, virtual datasets) and can claim sizes
that it doesn't hold. A file is looked through before a number is read: such things are refused, and so are soft links,
of which Keras writes none.
"""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.errors import CorruptError, DataError, MissingDependencyError
from bakeoff.files import FREE_BYTES, GROWTH, regular
from bakeoff.schemas import Array

SUFFIXES = (".h5", ".hdf5")
MOST_ENTRIES = 200_000
DEEPEST = 40
EXPANSION = 1000  # of compressed numbers; Keras writes them plainly


def read(path: Path) -> dict[str, Array]:
    """The datasets by their path in the file, as `layers/conv2d/vars/0` or `conv1/conv1/kernel:0`.

    Raises:
        CorruptError: no HDF5 file, damaged, or one that points outside or claims more than it holds.
        MissingDependencyError: h5py is not installed.
    """
    try:
        with regular(path) as stream:  # a pipe would keep the library waiting
            size = os.fstat(stream.fileno()).st_size
        with _library().File(path, "r") as file:
            return arrays(file, size, str(path))
    except OSError as error:
        raise _unreadable(error, path) from None
    except (KeyError, RuntimeError, TypeError, ValueError) as error:  # as h5py has it
        raise CorruptError(f"{path}: damaged ({str(error)[:120]}). Get the file anew.") from None


def config(path: Path) -> tuple[str | None, str]:
    """What Keras wrote of the net, as JSON (None beside weights alone), and its version; the file is looked through."""
    read(path)
    with _library().File(path, "r") as file:
        texts = (file.attrs.get(name) for name in ("model_config", "keras_version"))
        net, version = (text.decode("utf-8") if isinstance(text, bytes) else text for text in texts)
    return net, str(version)


def set_config(path: Path, text: str) -> None:
    """Put another one in its place."""
    with _library().File(path, "r+") as file:
        file.attrs["model_config"] = text


def read_bytes(data: bytes, what: str) -> dict[str, Array]:
    """The same from bytes."""
    try:
        with _library().File(io.BytesIO(data), "r") as file:
            return arrays(file, len(data), what)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise CorruptError(f"{what}: not HDF5, or damaged ({error}). Get the file anew.") from None


def arrays(file: Any, size: int, what: str) -> dict[str, Array]:
    """Every dataset of an open file, after it was looked through."""
    found: dict[str, Array] = {}
    total = 0
    for name, data in datasets(file, what).items():
        if data.dtype.kind not in "fiub":
            continue  # names and the like
        total += max(data.nbytes, math.prod(data.chunks or (0,)) * data.dtype.itemsize)  # a chunk is unpacked whole
        if total > max(FREE_BYTES, GROWTH * size):  # packed, or one of many names
            raise CorruptError(f"{what}: up to {name!r} it claims {total:,} bytes, and has {size:,}. It wasn't read.")
        stored = data.id.get_storage_size()
        if data.nbytes > EXPANSION * max(stored, 1) and data.nbytes:
            raise CorruptError(f"{what}: {name!r} claims {data.nbytes:,} bytes and stores {stored:,}. It wasn't read.")
        found[name] = np.asarray(data[()])
    return found


def datasets(file: Any, what: str) -> dict[str, Any]:
    """Every dataset by its path; refuses what points elsewhere.

    Raises:
        CorruptError: names the link or dataset.
    """
    h5py = _library()
    found: dict[str, Any] = {}
    waiting, entries = [("", file, 0)], 0
    while waiting:
        prefix, group, depth = waiting.pop()
        for name in group:
            entries += 1
            path = f"{prefix}/{name}" if prefix else str(name)
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                target = getattr(link, "filename", None) or getattr(link, "path", "?")
                raise CorruptError(f"{what}: {path!r} is a link to {target!r}, which is not followed.")
            if entries > MOST_ENTRIES or depth > DEEPEST:
                raise CorruptError(f"{what}: more than {MOST_ENTRIES:,} entries, or groups within groups without end.")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((path, item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                _check(item, path, what)
                found[path] = item
    return dict(sorted(found.items()))


def _check(data: Any, path: str, what: str) -> None:
    if data.is_virtual or data.external:
        raise CorruptError(f"{what}: the numbers of {path!r} lie in another file, which is not followed.")


def _library() -> Any:
    try:
        import h5py
    except ImportError:
        raise MissingDependencyError("h5py", "tensorflow", "a .h5 or .keras file of weights") from None
    return h5py


def _unreadable(error: OSError, path: Path) -> Exception:
    if error.errno is not None and not path.is_file():
        return DataError(f"{path}: {error.strerror}. Expected a .h5 file.")
    return CorruptError(f"{path}: not HDF5, or damaged ({str(error)[:120]}). Get the file anew.")
