"""The manifest of shards as columns in memory-mapped files, which are made in the cache when it is first opened.

    path      the name that the image had                 shard, offset, size   where its bytes lie
    key       its name in the shard, without the suffix   sha256                of these bytes
    label     its class, a position in the header         height, width, grey   as they decode
              (labels: positions, where there may be      split, group, near    as the data said; copies that are
              several)                                                          nearly the same share a number

A Parquet file is compressed: no part of it can be mapped. Opened again, ten million rows cost the pages that are touched.
What a manifest of others says is checked row by row as it is read: no range leads out of its shard.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from bakeoff.data.made import made_once
from bakeoff.data.sources.parquet import record_batches
from bakeoff.errors import DataError, MissingDependencyError
from bakeoff.files import content, opened
from bakeoff.preprocessing._work import LARGEST_FILE

FORMAT = 1
KEY = b"bakeoff.shards"
ROWS = 1 << 16  # in a group of the Parquet file, and at a time
HEADER = "header.json"
NUMBERS = {
    "split": "i1",
    "shard": "<i4",
    "offset": "<i8",
    "size": "<i8",
    "height": "<i4",
    "width": "<i4",
    "grey": "?",
    "near": "<i8",
}
TEXTS = ("path", "group")
OPTIONAL = {"near", "group"}


class Header(msgspec.Struct):
    """What holds for all rows.

    Attributes:
        classes: names, in the order of the labels.
        shards: names and sizes in bytes of the files, in the order of `shard`.
        multilabel: whether images may have several labels.
        array: of data that came as one array, the shape of an image: then the ranges are pixels, uint8.
        compared: whether near copies were looked for.
        rows: how many there are.
    """

    format: int
    classes: tuple[str, ...]
    shards: tuple[tuple[str, int], ...]
    multilabel: bool = False
    array: tuple[int, ...] | None = None
    compared: bool = False
    rows: int = 0


class Names:
    """Strings by row, decoded when they are asked for."""

    def __init__(self, text: NDArray[np.uint8], ends: NDArray[np.int64], rows: NDArray[np.int64] | None = None) -> None:
        self._text, self._ends, self._rows = text, ends, rows

    def __len__(self) -> int:
        return len(self._ends) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: NDArray[Any]) -> Names: ...
    def __getitem__(self, at: int | NDArray[Any]) -> str | Names:
        if isinstance(at, np.ndarray):
            rows = np.arange(len(self)) if self._rows is None else self._rows
            return Names(self._text, self._ends, rows[at])
        row = int(at) if self._rows is None else int(self._rows[at])
        begin = int(self._ends[row - 1]) if row else 0
        return self._text[begin : int(self._ends[row])].tobytes().decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))

    def tolist(self) -> list[str]:
        """All of them."""
        return list(self)


class Columns:
    """The columns of a manifest, as they are mapped.

    Attributes:
        header: what holds for all rows.
        labels: int64, (n,), or uint8, (n, classes).
        sha256: uint8, (n, 32).
        numbers: the others, (n,), by name; those of `OPTIONAL` may be missing.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self.header = msgspec.json.decode(content(place / HEADER), type=Header)
        count, classes = self.header.rows, len(self.header.classes)
        wide = self.header.multilabel
        self.labels = self._mapped("label", "u1" if wide else "<i8", (count, classes) if wide else (count,))
        self.sha256 = self._mapped("sha256", "u1", (count, 32))
        there = {name: kind for name, kind in NUMBERS.items() if (place / name).is_file()}
        self.numbers = {name: self._mapped(name, kind, (count,)) for name, kind in there.items()}

    def names(self, column: str) -> Names | None:
        """Those of `TEXTS`; None where the manifest has no such column."""
        if not (self._place / column).is_file():
            return None
        ends = self._mapped(f"{column}.ends", "<i8", (self.header.rows,))
        return Names(self._mapped(column, "u1", (int(ends[-1]),)), ends)

    def _mapped(self, name: str, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
        if not np.prod(shape, dtype=np.int64):  # nothing can't be mapped
            return np.zeros(shape, kind)
        return np.asarray(np.memmap(self._place / name, kind, "r", shape=shape))


def columns_of(manifest: Path) -> Columns:
    """The columns of a Parquet manifest.

    Raises:
        MissingDependencyError: pyarrow isn't installed.
        DataError: it is no manifest of shards, or a row that can't be true.
    """
    try:
        import pyarrow  # noqa: F401
        import pyarrow.parquet as library
    except ImportError:
        raise MissingDependencyError("pyarrow", "sources", "reading the manifest of shards") from None
    return Columns(made_once("shards", [manifest], partial(_convert, library, manifest)))


def _convert(library: Any, manifest: Path, target: Path) -> None:
    try:
        said = (library.read_schema(manifest).metadata or {}).get(KEY, b"")
        header = msgspec.json.decode(said, type=Header)
        names = library.read_schema(manifest).names
        header.rows = library.read_metadata(manifest).num_rows
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        reason = (str(error).splitlines() or [""])[0][:80]
        raise DataError(f"{manifest}: no manifest of shards ({reason}).\nExpected what bakeoff data shard writes.") from None
    _check_header(manifest, header)
    label = "labels" if header.multilabel else "label"
    wanted = [label, "sha256", *TEXTS, *NUMBERS]
    missing = [name for name in wanted if name not in names and name not in OPTIONAL]
    if missing:
        raise DataError(f"{manifest}: no column {missing[0]!r}.\nExpected what bakeoff data shard writes.")
    asked = [name for name in wanted if name in names]
    with _Sinks(target) as sinks:
        rows = 0
        for batch in record_batches(library, manifest, asked, ROWS):
            _put(manifest, rows, batch, header, sinks)
            rows += batch.num_rows
    if rows != header.rows or not rows:
        raise DataError(f"{manifest}: {rows:,} rows of {header.rows:,}.\nExpected one an image, or more than none.")
    with os.fdopen(opened(target / HEADER, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(msgspec.json.encode(header))


def _check_header(manifest: Path, header: Header) -> None:
    if header.format != FORMAT:
        raise DataError(f"{manifest}: format {header.format}; this version reads {FORMAT}.\nUpdate Bakeoff.")
    odd = [name for name, _ in header.shards if PurePosixPath(name).name != name or "\\" in name or name[:1] in ("", ".")]
    shape = header.array
    if odd or (shape is not None and not (2 <= len(shape) <= 3 and all(0 < side <= 65_536 for side in shape))):
        what = f"a shard named {odd[0][:100]!r}" if odd else f"images of the shape {shape}"
        raise DataError(f"{manifest}: {what}.\nExpected what bakeoff data shard writes.")


class _Sinks:
    """Files that columns are appended to, by name."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.files: dict[str, IO[bytes]] = {}
        self.ends: dict[str, int] = {}

    def __enter__(self) -> _Sinks:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files.values():
            file.close()

    def put(self, name: str, values: NDArray[Any]) -> None:
        """Append."""
        if name not in self.files:
            handle = opened(self.target / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            self.files[name] = os.fdopen(handle, "wb")
        self.files[name].write(np.ascontiguousarray(values).data)


def _put(manifest: Path, first: int, batch: Any, header: Header, sinks: _Sinks) -> None:
    """Append a batch of rows to the files, if they can be true."""
    import pyarrow

    try:
        found = {name: batch.column(name) for name in batch.schema.names}
        if lacking := [name for name, column in found.items() if column.null_count and name not in TEXTS]:
            raise ValueError(f"a row without {lacking[0]}")
        arrays = {
            name: found[name].cast(_arrow(pyarrow, kind)).to_numpy(zero_copy_only=False).astype(kind)
            for name, kind in NUMBERS.items()
            if name in found
        }
        digests = _digests(pyarrow, found["sha256"])
        labels = _labels(pyarrow, found, header)
        texts = {name: _text(pyarrow, found[name]) for name in TEXTS if name in found}
        if len(digests) != batch.num_rows or len(labels) != batch.num_rows:
            raise ValueError("columns of other lengths")
    except (ValueError, TypeError, LookupError) as error:
        reason = (str(error).splitlines() or [""])[0][:80]
        raise DataError(f"{manifest}: columns of other kinds ({reason}).\nWrite the shards anew.") from None
    _check_rows(manifest, first, arrays, header)
    for name, values in arrays.items():
        sinks.put(name, values)
    sinks.put("sha256", digests)
    sinks.put("label", labels)
    for name, (text, ends) in texts.items():
        sinks.put(name, text)
        sinks.put(f"{name}.ends", ends + sinks.ends.get(name, 0))
        sinks.ends[name] = sinks.ends.get(name, 0) + int(ends[-1])


def _digests(pyarrow: Any, column: Any) -> NDArray[np.uint8]:
    column = column.cast(pyarrow.binary(32))
    return np.frombuffer(column.buffers()[1], np.uint8, 32 * len(column), 32 * column.offset).reshape(-1, 32)


def _arrow(pyarrow: Any, kind: str) -> Any:
    return pyarrow.from_numpy_dtype(np.dtype(kind))


def _labels(pyarrow: Any, found: Mapping[str, Any], header: Header) -> NDArray[Any]:
    """Labels of either kind (`bakeoff.data.labels`), each one of the classes."""
    classes = len(header.classes)
    if not header.multilabel:
        one = found["label"].cast(pyarrow.int64()).to_numpy(zero_copy_only=False).astype("<i8")
        if len(one) and not (0 <= one.min() and one.max() < classes):
            raise ValueError(f"a label that none of {classes:,} classes has")
        return np.asarray(one)
    lists = found["labels"].cast(pyarrow.large_list(pyarrow.int64()))
    sizes = np.diff(lists.offsets.to_numpy())
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype("<i8")
    if len(flat) and not (0 <= flat.min() and flat.max() < classes):
        raise ValueError(f"a label that none of {classes:,} classes has")
    several = np.zeros((len(lists), classes), np.uint8)
    several[np.repeat(np.arange(len(lists)), sizes), flat] = 1
    return several


def _text(pyarrow: Any, column: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of all strings behind each other, and where each ends."""
    column = column.cast(pyarrow.large_binary()).fill_null(b"")
    _, ends, text = column.buffers()
    edges = np.frombuffer(ends, "<i8", len(column) + 1, 8 * column.offset)
    whole = np.frombuffer(text, np.uint8) if text is not None else np.zeros(0, np.uint8)
    return whole[edges[0] : edges[-1]], edges[1:] - edges[0]


def _check_rows(manifest: Path, first: int, arrays: Mapping[str, NDArray[Any]], header: Header) -> None:
    """Stop at a row whose range can't be one of its shard."""
    sizes = np.array([size for _, size in header.shards], np.int64)
    shard, offset, size = (arrays[name].astype(np.int64) for name in ("shard", "offset", "size"))
    known = (shard >= 0) & (shard < len(sizes))
    inside = np.zeros(len(shard), bool)
    room = sizes[shard[known]] if len(sizes) else shard[known]
    inside[known] = (offset[known] >= 0) & (size[known] > 0) & (offset[known] <= room - size[known])
    likely: NDArray[np.bool_] = inside & (size <= LARGEST_FILE) & (arrays["split"] >= -1) & (arrays["split"] <= 2)
    likely &= (arrays["height"] > 0) & (arrays["width"] > 0)
    if header.array is not None:
        likely &= size == int(np.prod(header.array, dtype=np.int64))
    if not likely.all():
        row = first + int(np.argmin(likely)) + 1
        raise DataError(f"{manifest}: row {row:,} names no range of a shard.\nWrite the shards anew.")


