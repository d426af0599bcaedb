"""The manifest of shards as columns in memory-mapped files, which are made in the cache when it is first opened.

    path      the name that the image had                 shard, offset, size   where its bytes lie
    key       its name in the shard, without the suffix   sha256                of these bytes
    label     its class, a position in the header         height, width, grey   as they decode
              (labels: positions, where there may be      split, group, near    as the data said; copies that are
              several)                                                          nearly the same share a number

A Parquet file is packed: no part of it can be mapped. Opened again, ten million rows cost the pages that are touched.
What a manifest of others says is checked row by row as it is read: no range leads out of its shard.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from bakeoff.data.made import made_once
from bakeoff.data.sources.parquet import record_batches
from bakeoff.errors import DataError, MissingDependencyError
from bakeoff.files import content, opened
from bakeoff.preprocessing._work import LARGEST_FILE

KEY = b"bakeoff.shards"
ROWS = 1 << 16  # in a group of the Parquet file, and at a time
HEADER = "header.json"
REMEDY = "Expected a manifest as it was written with its shards; write them anew."
NUMBERS = {"split": "i1", "shard": "<i4", "offset": "<i8", "size": "<i8", "height": "<i4", "width": "<i4", "grey": "?"}
NUMBERS |= {"near": "<i8"}  # where copies are known
TEXTS = ("path", "group")
Put = Callable[[str, NDArray[Any]], int]


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

    format: Literal[1]
    classes: tuple[str, ...]
    shards: tuple[tuple[Annotated[str, Meta(pattern=r"^[^./\\][^/\\]*$")], int], ...]
    multilabel: bool = False
    array: Annotated[tuple[Annotated[int, Meta(ge=1, le=65_536)], ...], Meta(min_length=2, max_length=3)] | None = None
    compared: bool = False
    rows: int = 0


class Names:
    """Strings by row, decoded when they are asked for."""

    def __init__(self, text: NDArray[np.uint8], ends: NDArray[np.int64], rows: NDArray[np.int64] | None = None) -> None:
        self._text, self._ends = text, ends
        self._rows = np.arange(len(ends)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, np.ndarray):
            return Names(self._text, self._ends, self._rows[at])
        row = int(self._rows[at])
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
        numbers: the others, (n,), by name, and `sha256`, uint8, (n, 32).
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self.header = msgspec.json.decode(content(place / HEADER), type=Header)
        count, classes = self.header.rows, len(self.header.classes)
        wide = self.header.multilabel
        self.labels = self._mapped("label", "u1" if wide else "<i8", *((count, classes) if wide else (count,)))
        there = {name: kind for name, kind in NUMBERS.items() if (place / name).is_file()}
        self.numbers = {name: self._mapped(name, kind, count) for name, kind in there.items()}
        self.numbers["sha256"] = self._mapped("sha256", "u1", count, 32)

    def names(self, column: str) -> Names | None:
        """Those of `TEXTS`; None where the manifest has no such column."""
        if not (self._place / column).is_file():
            return None
        ends = self._mapped(f"{column}.ends", "<i8", self.header.rows)
        return Names(self._mapped(column, "u1", int(ends[-1])), ends)

    def _mapped(self, name: str, kind: str, *shape: int) -> NDArray[Any]:
        if not np.prod(shape, dtype=np.int64):  # nothing can't be mapped
            return np.zeros(shape, kind)
        return np.asarray(np.memmap(self._place / name, kind, "r", shape=shape))


def columns_of(manifest: Path) -> Columns:
    """The columns of a Parquet manifest.

    Raises:
        MissingDependencyError: pyarrow isn't installed.
        DataError: it is no manifest of shards, or has a row that can't be true.
    """
    try:
        import pyarrow.parquet as library
    except ImportError:
        raise MissingDependencyError("pyarrow", "sources", "reading the manifest of shards") from None
    return Columns(made_once("shards", [manifest], partial(_convert, library, manifest)))


def _convert(library: Any, manifest: Path, target: Path) -> None:
    try:
        about = library.read_metadata(manifest)
        header = msgspec.json.decode((about.metadata or {}).get(KEY, b""), type=Header)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        reason = (str(error).splitlines() or [""])[0][:80]
        raise DataError(f"{manifest}: no manifest of shards that this version reads ({reason}).\n{REMEDY}") from None
    header.rows, files = 0, dict[str, IO[bytes]]()  # they are counted
    with ExitStack() as stack:

        def put(name: str, values: NDArray[Any]) -> int:
            """Append to a file; how long it was before."""
            if name not in files:
                handle = opened(target / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                files[name] = stack.enter_context(os.fdopen(handle, "wb"))
            before = files[name].tell()
            files[name].write(np.ascontiguousarray(values).data)
            return before

        wanted = ["labels" if header.multilabel else "label", "sha256", *TEXTS, *NUMBERS]
        for batch in record_batches(library, manifest, wanted, ROWS):
            _put(manifest, batch, header, put)
            header.rows += batch.num_rows
        put(HEADER, np.frombuffer(msgspec.json.encode(header), np.uint8))
    if not header.rows:
        raise DataError(f"{manifest}: no rows.\n{REMEDY}")


def _put(manifest: Path, batch: Any, header: Header, put: Put) -> None:
    """Append a batch of rows to the files, if they can be true."""
    import pyarrow

    try:
        found = {name: batch.column(name) for name in batch.schema.names}
        if lacking := [name for name, column in found.items() if column.null_count and name not in TEXTS]:
            raise ValueError(f"a row without {lacking[0]}")
        arrays = {
            name: found[name].cast(pyarrow.from_numpy_dtype(np.dtype(kind))).to_numpy(zero_copy_only=False).astype(kind)
            for name, kind in NUMBERS.items()
            if name in found or name != "near"
        }
        column = found["sha256"].cast(pyarrow.binary(32))
        digests = np.frombuffer(column.buffers()[1], np.uint8, 32 * len(column), 32 * column.offset)
        labels = _labels(pyarrow, found, header)
        texts = {name: _text(pyarrow, found[name]) for name in TEXTS if name in found or name == "path"}
    except (ValueError, TypeError, LookupError) as error:
        reason = (str(error).splitlines() or [""])[0][:80]
        raise DataError(f"{manifest}: columns of other kinds ({reason}).\n{REMEDY}") from None
    _check(manifest, arrays, header)
    for name, values in {**arrays, "sha256": digests, "label": labels}.items():
        put(name, values)
    for name, (text, ends) in texts.items():
        put(f"{name}.ends", ends + put(name, text))


def _labels(pyarrow: Any, found: Mapping[str, Any], header: Header) -> NDArray[Any]:
    """Labels of either kind (`bakeoff.data.labels`), each one of the classes."""
    lists = found["labels"].cast(pyarrow.large_list(pyarrow.int64())) if header.multilabel else None
    flat = lists.flatten() if lists is not None else found["label"].cast(pyarrow.int64())
    positions: NDArray[np.int64] = flat.to_numpy(zero_copy_only=False).astype("<i8")
    if len(positions) and (positions.min() < 0 or positions.max() >= len(header.classes)):
        raise ValueError(f"a label that none of {len(header.classes):,} classes has")
    if lists is None:
        return positions
    several = np.zeros((len(lists), len(header.classes)), np.uint8)
    several[np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy())), positions] = 1
    return several


def _text(pyarrow: Any, column: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of all strings behind each other, and where each ends."""
    column = column.cast(pyarrow.large_binary()).fill_null(b"")
    _, ends, text = column.buffers()
    edges = np.frombuffer(ends, "<i8", len(column) + 1, 8 * column.offset)
    whole = np.frombuffer(text or b"", np.uint8)
    return whole[edges[0] : edges[-1]], edges[1:] - edges[0]


def _check(manifest: Path, arrays: Mapping[str, NDArray[Any]], header: Header) -> None:
    """Stop at a row whose range can't be one of its shard."""
    shard, offset, size = (arrays[name].astype(np.int64) for name in ("shard", "offset", "size"))
    known = (shard >= 0) & (shard < len(header.shards))
    room = np.array([*(size for _, size in header.shards), 0], np.int64)[np.where(known, shard, -1)]
    likely = known & (offset >= 0) & (size > 0) & (size <= LARGEST_FILE) & (offset <= room - size)
    likely &= (arrays["split"] >= -1) & (arrays["split"] <= 2) & (arrays["height"] > 0) & (arrays["width"] > 0)
    if header.array is not None:
        likely &= size == int(np.prod(header.array, dtype=np.int64))
    if not likely.all():
        row = header.rows + int(np.argmin(likely)) + 1
        raise DataError(f"{manifest}: row {row:,} names no range of a shard.\n{REMEDY}")
