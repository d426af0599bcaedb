"""`.safetensors`: 8 bytes that give the length of a JSON header, the header, raw numbers. Read by hand, with bfloat16.

    {"conv.weight": {"dtype": "F32", "shape": [8, 3, 3, 3], "data_offsets": [0, 864]}, "__metadata__": {...}}

The format's own rules are checked: offsets inside the file, one after the other, without holes or overlaps, as long as
shape and dtype say.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.errors import CorruptError, DataError
from bakeoff.files import named, regular
from bakeoff.schemas import Array

SUFFIXES = (".safetensors",)
MOST_ENTRIES = 200_000
LARGEST_HEADER = 20_000_000  # 100,000 tensors; the format's own limit, 100 MB, takes a minute to read
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def read(path: Path, most: int | None = None) -> dict[str, Array]:
    """The tensors by name, views on what was read; bfloat16 is widened.

    Nothing is mapped: where others make a mapped file shorter, the process that reads it ends.

    Args:
        most: bytes that the file may have.

    Raises:
        CorruptError: a header that doesn't hold together, or a file that is too large.
        DataError: the file can't be opened.
    """
    try:
        with regular(path) as file, named(path, "Get the file anew."):  # sizes that NumPy refuses, or no memory
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(LARGEST_HEADER, size - 8):
                raise CorruptError(f"{path}: its header says {length:,} bytes, the file has {size:,}. Get it anew.")
            if most is not None and size > most:
                raise CorruptError(f"{path}: {size:,} bytes; its net has at most {most:,}. Get it anew.")
            rows = sorted(_header(file.read(length), path).items(), key=lambda item: item[1]["data_offsets"])
            end = _end(rows, path)
            there = size - 8 - length
            data = np.fromfile(file, np.uint8, end if end == there else 0)
            if end != there or end != len(data):
                raise CorruptError(f"{path}: its tensors take {end:,} bytes, the file has {there:,}: truncated?")
            return {name: _tensor(name, row, data, path) for name, row in rows}
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. Expected a .safetensors file.") from None


def _end(rows: list[tuple[str, dict[str, Any]]], path: Path) -> int:
    """Where the last tensor ends; each begins where the one before it does."""
    end = 0
    for name, row in rows:
        first, last = row["data_offsets"]
        if first != end or last < first:
            raise CorruptError(f"{path}: tensor {name!r} lies at {first}..{last}, expected to begin at {end}.")
        end = last
    return end


def _header(text: bytes, path: Path) -> dict[str, dict[str, Any]]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=once)
        if not isinstance(value, dict):
            raise ValueError("no object")
        value.pop("__metadata__", None)
        if len(value) > MOST_ENTRIES:
            raise ValueError(f"{len(value):,} tensors")
        for name, row in value.items():
            first, last = row["data_offsets"]
            numbers = [first, last, *row["shape"]]
            if any(type(number) is not int or number < 0 for number in numbers) or row["dtype"] not in DTYPES:
                raise ValueError(f"{name!r} has {row!r:.100}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptError(f"{path}: a damaged safetensors header ({error}). Get the file anew.") from None
    return value


def _tensor(name: str, row: dict[str, Any], data: Array, path: Path) -> Array:
    first, last = row["data_offsets"]
    dtype = np.dtype(DTYPES[row["dtype"]])
    if math.prod(row["shape"]) * dtype.itemsize != last - first:
        raise CorruptError(f"{path}: {name!r} is {row['dtype']} {row['shape']}, but has {last - first} bytes.")
    array: Array = data[first:last].view(dtype).reshape(row["shape"])
    return (array.astype(np.uint32) << 16).view(np.float32) if row["dtype"] == "BF16" else array
