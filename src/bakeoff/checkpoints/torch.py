"""Reads torch's checkpoints (`.pth`, `.pt`) without torch and without executing a pickle.

    zip (torch >= 1.6)    NAME/data.pkl, NAME/byteorder, NAME/data/KEY: one raw block of numbers a storage
    legacy                five pickles (magic number, protocol, byte order, the tensors, the keys), then each storage as
                          its count (int64) and its numbers

Both say tensors as windows on storages (offset, size, strides), which may be shared. They come back as read-only views:
a file can't make the reader allocate more than the file holds.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided

from bakeoff.checkpoints._pickle import Storage, Tensor, parse
from bakeoff.errors import CorruptError, DataError
from bakeoff.files import FREE_BYTES, regular
from bakeoff.schemas import Array
from bakeoff.unpickle import shown

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # torch/serialization.py
SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".pkl")
LARGEST_PICKLE = 64 * 2**20
DEEPEST = 4  # {"state_dict": {...}} and the like
MOST_ENTRIES = 1_000_000  # of all dicts together: a dict that holds another many times costs nothing in the file
SHARED = 4  # times its bytes that all tensors of a file may claim: some are one under two names
DTYPES: dict[str, np.dtype[Any]] = {
    "Double": np.dtype("<f8"),
    "Float": np.dtype("<f4"),
    "Half": np.dtype("<f2"),
    "BFloat16": np.dtype("<u2"),  # the upper half of a float32: widened once its window is known
    "Long": np.dtype("<i8"),
    "Int": np.dtype("<i4"),
    "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"),
    "Byte": np.dtype("u1"),
    "Bool": np.dtype("?"),
}


def read(path: Path) -> dict[str, Array]:
    """The tensors of a checkpoint by name, read-only; names of nested dicts are joined by dots, bfloat16 is widened.

    Raises:
        CorruptError: a truncated, inconsistent or hostile file; nothing of it was executed.
        DataError: the file can't be opened.
    """
    try:
        with regular(path) as file:
            data = file.read()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. Expected a torch checkpoint (.pth).") from None
    except MemoryError:
        raise DataError(f"{path}: larger than the memory that is free. Expected a torch checkpoint (.pth).") from None
    return read_bytes(data, str(path))


def read_bytes(data: bytes, what: str) -> dict[str, Array]:
    """The same from bytes; `what` names them in messages."""
    if _is_tar(data):
        raise CorruptError(f"{what}: torch's tar format (before 0.1.10), which isn't read. Save it anew by torch.save.")
    value, storages = _read_zip(data, what) if data[:2] == b"PK" else _read_legacy(data, what)
    tensors = _tensors(value, what)
    if not tensors:
        raise CorruptError(f"{what}: no tensors are in it. Expected a state dict.")
    sizes = (math.prod(tensor.size) * DTYPES[tensor.storage.type.name].itemsize for tensor in tensors.values())
    if (total := sum(sizes)) > max(FREE_BYTES, SHARED * len(data)):
        raise CorruptError(f"{what}: its tensors claim {total:,} bytes, and it has {len(data):,}. It wasn't read.")
    return {name: _window(tensor, storages, name, what) for name, tensor in tensors.items()}


def _is_tar(data: bytes) -> bool:
    return data[257:262] == b"ustar"


# the two containers ---------------------------------------------------------------------------------------------------


def _read_zip(data: bytes, what: str) -> tuple[Any, dict[str, Array]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_members(archive, len(data), what)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise CorruptError(f"{what}: a damaged zip ({error}). Get the file anew.") from None


def _read_members(archive: zipfile.ZipFile, length: int, what: str) -> tuple[Any, dict[str, Array]]:
    members = {info.filename: info for info in archive.infolist()}
    for name, info in members.items():
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise CorruptError(f"{what}: its zip holds the path {name!r}, which leaves the archive.")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > length:
            raise CorruptError(
                f"{what}: {name!r} in its zip is compressed or larger than the file; torch stores plainly."
            )
    if sum(info.file_size for info in members.values()) > length:
        raise CorruptError(f"{what}: the members of its zip overlap.")
    pickles = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1 or members[pickles[0]].file_size > LARGEST_PICKLE:
        raise CorruptError(f"{what}: a zip without one NAME/data.pkl: no torch checkpoint.")
    folder = pickles[0].removesuffix("data.pkl")
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in members else b"little"
    value = parse(archive.read(pickles[0]), what)
    storages = {}
    for storage in _storages(value, what).values():
        name = f"{folder}data/{storage.key}"
        dtype = DTYPES[storage.type.name]
        if name not in members or members[name].file_size != storage.count * dtype.itemsize:
            raise CorruptError(f"{what}: storage {storage.key!r} is missing, or not {storage.count} numbers long.")
        block = np.frombuffer(archive.read(name), dtype if order == b"little" else dtype.newbyteorder(">"))
        storages[storage.key] = block
    return value, storages


def _read_legacy(data: bytes, what: str) -> tuple[Any, dict[str, Array]]:
    stream = io.BytesIO(data)
    head = data[:16]
    if not head.startswith(b"\x80\x02\x8a\x0a"):  # protocol 2, a long integer of 10 bytes: the magic number
        raise CorruptError(f"{what}: neither a zip nor torch's older format; its first bytes are {head[:8]!r}.")
    magic, protocol, system = parse(stream, what), parse(stream, what), parse(stream, what)
    if magic != MAGIC or protocol != PROTOCOL or not isinstance(system, Mapping):
        raise CorruptError(
            f"{what}: magic number {shown(magic)} and protocol {shown(protocol)} are not those of a torch checkpoint."
        )
    value, keys = parse(stream, what), parse(stream, what)
    order: Literal["<", ">"] = "<" if system.get("little_endian", True) else ">"
    known = _storages(value, what)
    if not isinstance(keys, list) or not set(known) <= {key for key in keys if isinstance(key, str)}:
        raise CorruptError(f"{what}: storages are missing from its list of keys.")
    return value, {key: _next_storage(stream, known.get(key), order, what) for key in keys}


def _next_storage(stream: IO[bytes], storage: Storage | None, order: Literal["<", ">"], what: str) -> Array:
    if storage is None:
        raise CorruptError(f"{what}: it holds a storage that no tensor uses, whose type is not said.")
    dtype = DTYPES[storage.type.name].newbyteorder(order)
    count = int.from_bytes(stream.read(8), "little" if order == "<" else "big")
    if count != storage.count:
        raise CorruptError(f"{what}: storage {storage.key!r} has {count} numbers, its tensors say {storage.count}.")
    block = stream.read(count * dtype.itemsize) if count * dtype.itemsize <= 2**40 else b""
    if len(block) != count * dtype.itemsize:
        raise CorruptError(f"{what}: it ends in the middle of storage {storage.key!r}. Get the file anew.")
    return np.frombuffer(block, dtype)


# from storages to arrays ----------------------------------------------------------------------------------------------


def _tensors(value: Any, what: str) -> dict[str, Tensor]:
    """The tensors of nested dicts, by name; other plain values (an epoch, a learning rate) are left out."""
    found: dict[str, Tensor] = {}
    waiting, entries = [("", value, 0)], 0
    while waiting:
        prefix, item, depth = waiting.pop()
        entries += 1
        if isinstance(item, Tensor):
            found[prefix] = item
        elif isinstance(item, dict):
            if depth > DEEPEST or entries + len(item) > MOST_ENTRIES:
                raise CorruptError(f"{what}: its dicts are nested deeper than {DEEPEST}, or hold too many entries.")
            waiting += [(f"{prefix}.{key}" if prefix else str(key), held, depth + 1) for key, held in item.items()]
        elif not depth:
            raise CorruptError(f"{what}: expected a dict of tensors by name, found a {type(value).__name__}.")
    return found


def _storages(value: Any, what: str) -> dict[str, Storage]:
    """The storages that tensors use, by key."""
    found: dict[str, Storage] = {}
    for tensor in _tensors(value, what).values():
        storage = found.setdefault(tensor.storage.key, tensor.storage)
        if storage != tensor.storage:
            raise CorruptError(f"{what}: two tensors disagree on the type or length of storage {storage.key!r}.")
    return found


def _window(tensor: Tensor, storages: Mapping[str, Array], name: str, what: str) -> Array:
    block, dtype = storages[tensor.storage.key], DTYPES[tensor.storage.type.name]
    count = int(np.prod(tensor.size, dtype=object)) if tensor.size else 1
    last = tensor.offset + sum((size - 1) * step for size, step in zip(tensor.size, tensor.stride, strict=True))
    if count > len(block) or (count and last >= len(block)):
        raise CorruptError(f"{what}: tensor {name!r} of size {tensor.size} reaches beyond its storage of {len(block)}.")
    if not count:
        return np.zeros(tensor.size, "<f4" if tensor.storage.type.name == "BFloat16" else dtype)
    steps = tuple(step * block.itemsize for step in tensor.stride)
    array: Array = as_strided(block[tensor.offset :], tensor.size, steps, writeable=False)
    if tensor.storage.type.name == "BFloat16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
