"""CIFAR-10 and CIFAR-100 as their authors give them: the binary version, and the batches that Python pickled.

Given is the folder (`cifar-10-batches-bin`, `cifar-10-batches-py`, `cifar-100-binary`, `cifar-100-python`), or the
one above it, or the archive. Pickles are read by a small interpreter of plain values; nothing in them is executed.
CIFAR-100 has its 100 fine labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.sources._unpickle import MOST_BYTES, plain
from bakeoff.errors import DataError
from bakeoff.files import content as content_of
from bakeoff.protocols import Table

PRIORITY = 14
PIXELS = 3 * 32 * 32


class _Layout(NamedTuple):
    """One of the four: files of the training set, of the test set, of the names."""

    train: tuple[str, ...]
    test: str
    names: str
    pickled: bool
    labels: int  # bytes of labels before an image; the last is the one


_TEN = tuple(f"data_batch_{number}" for number in range(1, 6))
_LAYOUTS = (
    _Layout(tuple(f"{name}.bin" for name in _TEN), "test_batch.bin", "batches.meta.txt", False, 1),
    _Layout(_TEN, "test_batch", "batches.meta", True, 1),
    _Layout(("train.bin",), "test.bin", "fine_label_names.txt", False, 2),
    _Layout(("train",), "test", "meta", True, 2),
)
_FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-binary", "cifar-100-python")


def accepts(path: Path) -> bool:
    """A folder with the first training file and the names, or one above such a folder."""
    return _found(path) is not None


def read(path: Path) -> Table:
    """The table; batches that aren't there are left out, but the first training file and the names must be.

    Raises:
        DataError, CorruptError: files are cut short, of another kind, or hold more than plain values.
    """
    found = _found(path)
    assert found is not None
    folder, layout = found
    files = [(0, name) for name in layout.train] + [(2, layout.test)]
    parts = [(code, _part(folder / name, layout)) for code, name in files if (folder / name).is_file()]
    pixels = [x for _, (x, _) in parts]
    labels = np.concatenate([y for _, (_, y) in parts])
    names = _names(folder / layout.names, layout)
    if labels.max(initial=0) >= len(names):
        raise DataError(f"{folder}: label {labels.max()}, and {layout.names} has {len(names)} names.")
    split = np.concatenate([np.full(len(x), code, np.int8) for code, (x, _) in parts])
    rows = [np.arange((split == code).sum()) for code in (0, 2)]
    paths = [
        np.char.add(np.char.add(f"{name}[", row.astype(str)), "]")
        for name, row in zip(("train", "test"), rows, strict=True)
    ]
    return Table(names, np.concatenate(paths), labels, split, pixels=np.concatenate(pixels))


def _found(path: Path) -> tuple[Path, _Layout] | None:
    if not path.is_dir():
        return None
    for folder in (path, *(path / name for name in _FOLDERS)):
        for layout in _LAYOUTS:
            if (folder / layout.train[0]).is_file() and (folder / layout.names).is_file():
                return folder, layout
    return None


def _part(file: Path, layout: _Layout) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if layout.pickled:
        return _pickled(file)
    content = np.frombuffer(content_of(file, MOST_BYTES), np.uint8)
    width = layout.labels + PIXELS
    if not len(content) or len(content) % width:
        raise DataError(f"{file}: {len(content):,} bytes, no multiple of {width:,}: cut short. Get it anew.")
    rows = content.reshape(-1, width)
    return _images(rows[:, layout.labels :]), rows[:, layout.labels - 1].astype(np.int64)


def _images(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _pickled(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    value = plain(file)
    data, labels = value.get("data"), value.get("labels", value.get("fine_labels"))
    good = isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 2 and data.shape[1] == PIXELS
    whole = isinstance(labels, list) and all(type(label) is int and label >= 0 for label in labels)
    if data is None or labels is None or not good or not whole or len(labels) != len(data):
        raise DataError(f"{file}: no batch of CIFAR; expected `data`, uint8 (n, {PIXELS}), and n `labels`.")
    return _images(data), np.array(labels, np.int64)


def _names(file: Path, layout: _Layout) -> tuple[str, ...]:
    names: Any
    if layout.pickled:
        value = plain(file)
        names = value.get("fine_label_names", value.get("label_names"))
    else:
        names = [line.strip() for line in content_of(file).decode("utf-8").splitlines() if line.strip()]
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise DataError(f"{file}: no list of class names.")
    return tuple(names)
