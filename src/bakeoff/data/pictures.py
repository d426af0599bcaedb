"""The pixels of a data set: decoded at most once for a signature where they fit in memory.

What is in memory lives here and nowhere else: one array (n, H, W, C) per signature, at most `KEPT_BYTES` together,
filled by whoever decodes first. Larger sets are decoded each time they are asked for.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BadFilesError, DataError
from bakeoff.preprocessing import Signature, prepare
from bakeoff.protocols import Progress, Table

KEPT_BYTES = 1 << 30
CHUNK = 8  # pictures that a thread takes at a time

Bad = tuple[int, str]
"""The record of a picture that can't be decoded, and why."""


@dataclass(eq=False)
class View:
    """The pictures under one signature.

    Attributes:
        array: uint8, (n, H, W, C), for those that fit in memory, else None.
        ready: bool, (n,), which rows of `array` are filled.
    """

    pictures: Pictures
    signature: Signature
    array: NDArray[np.uint8] | None
    ready: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a picture."""
        return (*self.signature.size, self.signature.channels)

    def missing(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `records` that must be decoded."""
        return records[~self.ready[records]]

    def fill(self, target: NDArray[np.uint8], places: Iterable[int], records: Iterable[int]) -> list[Bad]:
        """Decode `records` to `target[places]`; the bad ones are returned, all of them."""
        bad: list[Bad] = []
        for place, record in zip(places, records, strict=True):
            try:
                target[place] = prepare(self.pictures.source(record), self.signature)
            except DataError as error:
                bad.append((record, str(error)))
            else:
                if target is self.array:
                    self.ready[record] = True
        return bad


class Pictures:
    """The pictures of a table, by row."""

    def __init__(self, table: Table, *, channels: int, size: tuple[int, int] | None) -> None:
        self.table, self.channels, self.size = table, channels, size
        self._kept: OrderedDict[str, View] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.table.labels)

    def source(self, record: int) -> str | NDArray[np.uint8]:
        """What `prepare` takes: the path of a file, or the array of a picture."""
        if self.table.pixels is not None:
            picture: NDArray[np.uint8] = self.table.pixels[record]
            return picture
        return os.path.join(str(self.table.root), str(self.table.paths[record]))

    def view(self, signature: Signature) -> View:
        """The view of a signature; the same one each time while it is kept."""
        digest = signature.pixels_digest()
        with self._lock:
            if digest not in self._kept:
                view = self._new(signature)
                if view.array is None:
                    return view
                self._kept[digest] = view
                self._evict(digest)
            self._kept.move_to_end(digest)
            return self._kept[digest]

    def _new(self, signature: Signature) -> View:
        count = len(self)
        own = self.table.pixels
        if own is not None:
            own = own[..., None] if own.ndim == 3 else own
            if own.shape[1:] == (*signature.size, signature.channels) and _keeps_size(signature):
                return View(self, signature, own, np.ones(count, bool))
        shape = (count, *signature.size, signature.channels)
        small = int(np.prod(shape, dtype=np.int64)) <= KEPT_BYTES
        return View(self, signature, np.empty(shape, np.uint8) if small else None, np.zeros(count, bool))

    def _evict(self, newest: str) -> None:
        def held() -> int:
            return sum(view.array.nbytes for view in self._kept.values() if view.array is not None)

        while held() > KEPT_BYTES and next(iter(self._kept)) != newest:
            self._kept.popitem(last=False)

    def select(self, rows: NDArray[np.int64]) -> Pictures:
        """These rows alone, with what is decoded already."""
        table = self.table
        pixels = None if table.pixels is None else table.pixels[rows]
        table = replace(
            table, paths=table.paths[rows], labels=table.labels[rows], split=table.split[rows], pixels=pixels
        )
        new = Pictures(table, channels=self.channels, size=self.size)
        for digest, view in self._kept.items():
            if view.array is not None and pixels is None:
                new._kept[digest] = View(new, view.signature, view.array[rows], view.ready[rows])
        return new

    def all(self, signature: Signature, workers: int, progress: Progress | None) -> NDArray[np.uint8]:
        """All pictures, (n, H, W, C); not to be written to.

        Raises:
            BadFilesError: names all that can't be decoded.
        """
        view = self.view(signature)
        array = view.array if view.array is not None else np.empty((len(self), *view.shape), np.uint8)
        records = view.missing(np.arange(len(self)))
        bad: list[Bad] = []
        for found in in_threads(
            lambda chunk: view.fill(array, chunk, chunk),
            records.tolist(),
            workers,
            progress,
            done=len(self) - len(records),
        ):
            bad += found
        if bad:
            raise self.bad_files(bad)
        return array

    def bad_files(self, bad: Sequence[Bad]) -> BadFilesError:
        """The error that names these, in the order of the manifest."""
        return BadFilesError([(str(self.table.paths[record]), reason) for record, reason in sorted(bad)])


def in_threads(
    work: Callable[[list[int]], list[Bad]],
    records: list[int],
    workers: int,
    progress: Progress | None = None,
    *,
    done: int = 0,
) -> Iterator[list[Bad]]:
    """Results of `work(chunk)` over chunks of `records`, in order; `progress` is called from this thread."""
    total = done + len(records)
    chunks = [records[start : start + CHUNK] for start in range(0, len(records), CHUNK)]
    if progress:
        progress(done, total)
    pool = ThreadPoolExecutor(max(1, workers), "bakeoff-decode")
    try:
        for chunk, found in zip(chunks, pool.map(work, chunks) if workers else map(work, chunks), strict=True):
            yield found
            done += len(chunk)
            if progress:
                progress(done, total)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _keeps_size(signature: Signature) -> bool:
    """Whether a picture that has the signature's size already stays as it is."""
    return signature.fit == "stretch" or signature.resize_to in (None, min(signature.size))
