"""The pixels of a data set, decoded at most once for a signature where there is room to keep them.

in memory     one array (n, H, W, C) per signature, at most `KEPT_BYTES` together, filled by whoever decodes first
on disk       what is larger, in a `PixelCache`, within the limit of `cache.limit`
not at all    what is larger still: decoded each time it is asked for
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.hashing import verified
from bakeoff.data.once import Once
from bakeoff.data.perceptual_hash import Shrunk
from bakeoff.data.pixel_cache import PixelCache
from bakeoff.errors import BadFilesError, DataError, UsageError
from bakeoff.preprocessing import Signature
from bakeoff.preprocessing.pixels import render
from bakeoff.protocols import Progress, Table

KEPT_BYTES = 768 << 20
SAVE_BYTES = 1 << 30  # decoded to disk before it is said there that they are ready
CHUNK = 8  # images that a thread takes at a time

Keep = Literal["auto", "memory", "disk", "none"]

T = TypeVar("T")
R = TypeVar("R")

Bad = tuple[int, str]
"""The record of an image that can't be decoded, and why."""


@dataclass(eq=False)
class View:
    """The images under one signature.

    Attributes:
        array: uint8, (n, H, W, C), for those that fit in memory, else None.
        ready: bool, (n,), which rows of `array` are filled.
        disk: where those that don't fit are kept, or None.
        rows: int64, (n,), the row of each image in `disk`: copies share one.
    """

    images: Images
    signature: Signature
    array: NDArray[np.uint8] | None
    ready: NDArray[np.bool_]
    disk: PixelCache | None = None
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    unsaved: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        return (*self.signature.size, self.signature.channels)

    @property
    def keeps(self) -> bool:
        """Whether an image that was decoded needn't be again."""
        return self.array is not None or self.disk is not None

    def missing(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `records` that must be decoded."""
        return records[~self.has(records)]

    def has(self, records: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `records` needn't be decoded."""
        found: NDArray[np.bool_] = self.ready[records]
        return found if self.disk is None else self.disk.has(self.rows[records])

    def take(self, target: NDArray[np.uint8], places: NDArray[np.int64], records: NDArray[np.int64]) -> list[Bad]:
        """Copy `records` to `target[places]`; what isn't there is decoded. The bad ones are returned, all of them."""
        there = self.has(records)
        if self.disk is not None:
            there[there] = self.disk.read(self.rows[records[there]], target, places[there])
        elif self.array is not None:
            target[places[there]] = self.array[records[there]]
        return self.fill(target, places[~there].tolist(), records[~there].tolist())

    def fill(self, target: NDArray[np.uint8], places: Iterable[int], records: Iterable[int]) -> list[Bad]:
        """Decode `records` to `target[places]` and keep them; the bad ones are returned, all of them."""
        bad: list[Bad] = []
        for place, record in zip(places, records, strict=True):
            try:
                image = render(self.images.source(record), self.signature)
            except DataError as error:
                bad.append((record, str(error)))
            else:
                target[place] = np.asarray(image).reshape(self.shape)
                self._keep(record, target, place)
        return bad

    def load(self, records: Sequence[int]) -> list[Bad]:
        """Decode `records` and keep them."""
        if self.array is not None:
            return self.fill(self.array, records, records)
        return self.fill(np.empty((1, *self.shape), np.uint8), [0] * len(records), records)

    def save(self, *, wait: bool = False) -> None:
        """Have the disk know what is kept on it, in a thread that the process waits for at its end."""
        if self.disk is None or not self.unsaved:
            return
        self.unsaved = 0
        thread = threading.Thread(target=self.disk.save, name="bakeoff-save")
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending
            self.disk.save()
            return
        if wait:
            thread.join()

    def _keep(self, record: int, target: NDArray[np.uint8], place: int) -> None:
        if self.disk is not None:
            self.disk.write(int(self.rows[record]), target[place])
            self.unsaved += target[place].nbytes
            if self.unsaved > SAVE_BYTES:
                self.save()
        elif self.array is not None:
            if target is not self.array:
                self.array[record] = target[place]
            self.ready[record] = True


class Images:
    """The images of a table, by row."""

    def __init__(
        self,
        table: Table,
        *,
        channels: int,
        size: tuple[int, int] | None,
        sha256: NDArray[np.uint8],
    ) -> None:
        self.table, self.channels, self.size, self.sha256 = table, channels, size, sha256
        self.shrunk: dict[bytes, Shrunk] = {}  # by content, of those that were decoded while they were read
        self._kept: OrderedDict[str, View] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.table.labels)

    def source(self, record: int) -> str | bytes | NDArray[np.uint8]:
        """What `prepare` takes: the bytes of a file, those that were hashed, or the array of an image.

        Raises:
            DataError: the file isn't what was hashed any more, or can't be read.
            CorruptError: a range of a larger file isn't.
            StorageError: where that lies, nothing answers.
        """
        if self.table.pixels is not None:
            image: NDArray[np.uint8] = self.table.pixels[record]
            return image
        if self.table.store is not None:
            return self.table.store.read(record)
        return verified(str(self.table.root), str(self.table.paths[record]), self.sha256[record].tobytes())

    def view(self, signature: Signature, keep: Keep = "auto") -> View:
        """The view of a signature; the same one each time while it is kept.

        Args:
            signature: how images become bytes.
            keep: where decoded images are kept: `auto` (memory, where they don't fit there the disk), `memory`,
                `disk`, or `none`.

        Raises:
            UsageError: another `keep`.
        """
        if keep not in get_args(Keep):
            raise UsageError(f"cache is {keep!r}; expected one of {', '.join(get_args(Keep))}.")
        name = f"{keep} {signature.pixels_digest()}"
        with self._lock:
            if name not in self._kept:
                view = self._own(signature) or self._new(signature, keep)
                if not view.keeps:
                    return view
                self._kept[name] = view
                self._evict(name)
            self._kept.move_to_end(name)
            return self._kept[name]

    def _own(self, signature: Signature) -> View | None:
        """The images as they are, where they are arrays of the signature's size."""
        own = self.table.pixels
        if own is None:
            return None
        own = own[..., None] if own.ndim == 3 else own
        if own.shape[1:] != (*signature.size, signature.channels) or not _keeps_size(signature):
            return None
        return View(self, signature, own, np.ones(len(self), bool))

    def _new(self, signature: Signature, keep: Keep) -> View:
        count = len(self)
        shape = (count, *signature.size, signature.channels)
        ready, size = np.zeros(count, bool), int(np.prod(shape, dtype=np.int64))
        if keep == "memory" or (keep == "auto" and size <= KEPT_BYTES):
            return View(self, signature, np.empty(shape, np.uint8), ready)
        if keep in ("auto", "disk"):
            contents, rows = unique_rows(self.sha256)
            disk = PixelCache.open(contents, signature)
            if disk is not None:
                return View(self, signature, None, ready, disk, rows)
        return View(self, signature, None, ready)

    def _evict(self, newest: str) -> None:
        def held() -> int:
            arrays = {id(view.array): view.array.nbytes for view in self._kept.values() if view.array is not None}
            return sum(arrays.values())

        while held() > KEPT_BYTES and next(iter(self._kept)) != newest:
            self._kept.popitem(last=False)

    def adopt(self, seen: Once) -> None:
        """Keep what was made of the files while they were read."""
        self.shrunk = seen.shrunk
        if seen.array is not None and seen.ready.any():
            name = f"auto {seen.signature.pixels_digest()}"
            self._kept[name] = View(self, seen.signature, seen.array, seen.ready)

    def select(self, rows: NDArray[np.int64]) -> Images:
        """These rows alone, with what is decoded already."""
        table = self.table
        pixels = None if table.pixels is None else table.pixels[rows]
        own: dict[str, Any] = {name: getattr(table, name)[rows] for name in ("paths", "labels", "split")}
        store = None if table.store is None else table.store.select(rows)
        table = replace(table, **own, pixels=pixels, store=store)
        new = Images(table, channels=self.channels, size=self.size, sha256=self.sha256[rows])
        new.shrunk = self.shrunk
        for name, view in self._kept.items():
            if view.array is not None and pixels is None:
                new._kept[name] = View(new, view.signature, view.array[rows], view.ready[rows])
        return new

    def all(self, signature: Signature, workers: int, progress: Progress | None) -> NDArray[np.uint8]:
        """All images, (n, H, W, C); not to be written to.

        Raises:
            BadFilesError: names all that can't be decoded.
        """
        view = self.view(signature)
        array = view.array if view.array is not None else np.empty((len(self), *view.shape), np.uint8)
        every = np.arange(len(self))
        records = view.missing(every)
        there = every[view.has(every)] if view.array is None else every[:0]
        bad = view.take(array, there, there)
        for found in in_threads(
            lambda chunk: view.fill(array, chunk, chunk),
            records.tolist(),
            workers,
            progress,
            done=len(self) - len(records),
        ):
            bad += found
        view.save()
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
    for chunk, found in zip(chunks, ahead(work, chunks, workers), strict=True):
        yield found
        done += len(chunk)
        if progress:
            progress(done, total)


def ahead(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Results of `work` in the order of the items, of which few are taken before their turn; 0: in this thread."""
    if not threads:
        yield from map(work, items)
        return
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, "bakeoff-ahead")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _keeps_size(signature: Signature) -> bool:
    """Whether an image that has the signature's size already stays as it is."""
    return signature.fit == "stretch" or signature.resize_to in (None, min(signature.size))


def unique_rows(sha256: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Different digests, (m, 32), ascending, and which of them each row, (n,), has."""
    words = np.ascontiguousarray(sha256).view("V32").reshape(-1)
    contents, rows = np.unique(words, return_inverse=True)
    return contents.view(np.uint8).reshape(-1, 32), rows.reshape(-1).astype(np.int64)
