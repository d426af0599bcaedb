"""MNIST's IDX files, gzipped or not: `train-images-idx3-ubyte.gz` with its labels, and `t10k-...` where it is there.

Given is the folder, or the file of training images. Fashion-MNIST, KMNIST and EMNIST have the same layout; EMNIST's
images are turned, as its authors say they are.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import DataError
from bakeoff.files import growth, regular
from bakeoff.protocols import Table

PRIORITY = 15
_NAME = re.compile(r"(?P<prefix>.*?)(?P<part>train|t10k|test)-images[-.]idx3-ubyte(\.gz)?", re.IGNORECASE)
_MOST = 1 << 34  # bytes of an array


def accepts(path: Path) -> bool:
    """A file of training images, or a folder that holds one."""
    return _train_file(path) is not None


def read(path: Path) -> Table:
    """The table of the training images and those of the test set beside them.

    Raises:
        DataError: files are missing, cut short, or of another kind.
    """
    first = _train_file(path)
    assert first is not None
    parts = [(0, first)]
    test = [file for file in first.parent.iterdir() if _is(file, ("t10k", "test"), _prefix(first))]
    parts += [(2, test[0])] if test else []
    pixels = [_array(file, 3) for _, file in parts]
    numbers = [_array(_labels_of(file), 1).astype(np.int64) for _, file in parts]
    for (_, file), x, y in zip(parts, pixels, numbers, strict=True):
        if len(x) != len(y) or x.shape[1:] != pixels[0].shape[1:] or not len(x):
            raise DataError(
                f"{file}: {len(x)} images {x.shape[1:]}, but {len(y)} labels.\nThe files don't belong together."
            )
    values = np.unique(numbers[0])
    if len(values) < 2 or np.setdiff1d(np.concatenate(numbers), values).size:
        raise DataError(f"{first}: labels {values[:5].tolist()}; a classifier needs two or more, all of them in train.")
    if _prefix(first).lower().startswith("emnist"):
        pixels = [x.swapaxes(1, 2) for x in pixels]
    return Table(
        tuple(str(value) for value in values),
        np.concatenate(
            [_names(("train", "", "test")[code], len(x)) for (code, _), x in zip(parts, pixels, strict=True)]
        ),
        np.searchsorted(values, np.concatenate(numbers)).astype(np.int64),
        np.concatenate([np.full(len(x), code, np.int8) for (code, _), x in zip(parts, pixels, strict=True)]),
        pixels=np.ascontiguousarray(np.concatenate(pixels)),
    )


def _train_file(path: Path) -> Path | None:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if _is(file, ("train",)))
        return found[0] if found else None
    return path if _is(path, ("train",)) else None


def _is(file: Path, parts: tuple[str, ...], prefix: str | None = None) -> bool:
    match = _NAME.fullmatch(file.name)
    good = match is not None and match["part"].lower() in parts and prefix in (None, match["prefix"])
    return good and file.is_file()


def _prefix(file: Path) -> str:
    match = _NAME.fullmatch(file.name)
    return match["prefix"] if match else ""


def _labels_of(images: Path) -> Path:
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    stem = name.removesuffix(".gz")
    for candidate in (name, stem, f"{stem}.gz"):
        if (images.parent / candidate).is_file():
            return images.parent / candidate
    raise DataError(f"{images.parent / name}: no such file.\nThe labels belong beside the images.")


def _array(file: Path, rank: int) -> NDArray[np.uint8]:
    try:
        with regular(file) as raw, gzip.open(raw) if file.suffix == ".gz" else raw as stream:
            magic, *shape = struct.unpack(f">{1 + rank}I", stream.read(4 + 4 * rank))
            size = int(np.prod(shape, dtype=np.float64))
            most = growth(file) if file.suffix == ".gz" else file.stat().st_size
            if magic == 0x800 + rank and size > most:
                raise DataError(f"{file}: its header says {size:,} bytes, more than it can hold. Get it anew.")
            if magic != 0x800 + rank or size > _MOST:
                raise DataError(f"{file}: no IDX file of rank {rank} and bytes (begins with {magic:#x}).")
            content = stream.read(size)
            if len(content) != size or stream.read(1):
                raise DataError(f"{file}: {len(content):,} bytes, and its header says {size:,}: cut short or damaged.")
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{file}: can't be read ({str(error)[:80]}). Get it anew.") from None
    return np.frombuffer(content, np.uint8).reshape(shape)


def _names(split: str, count: int) -> NDArray[np.str_]:
    return np.char.add(np.char.add(f"{split}[", np.arange(count).astype(str)), "]")
