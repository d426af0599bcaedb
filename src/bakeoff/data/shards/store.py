"""Images as ranges of shards: each is held to its SHA-256, so that what is used is what was written.

A shard that was cut short or changed is an error and never a skip: it says nothing of one image, as a file that doesn't
decode would. A storage that gives no answer is asked again, for `PATIENCE` seconds: that is told once, and costs time.
"""

from __future__ import annotations

import hashlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.hashing import FileFacts
from bakeoff.errors import CorruptError, StorageError, UsageError
from bakeoff.files import regular
from bakeoff.system import bytes_at
from bakeoff.workers.channel import tell

PATIENCE = 180.0  # seconds
PAUSES = 0.25, 8.0  # seconds before the first repetition, and at most: each is twice the one before
OPEN = 128  # files
REMEDY = "Bring the shard back as it was, or write the shards anew."

T = TypeVar("T")


class Ranges:
    """Where shards lie, and how a range of one is read; from any thread.

    Attributes:
        where: the folder or URL, as a person knows it.
        shards: names and sizes in bytes.
        distant: whether it pays to begin early.
    """

    distant = False

    def __init__(self, where: str, shards: Sequence[tuple[str, int]]) -> None:
        self.where, self.shards = where, tuple(shards)
        self._told, self._lock = -PATIENCE, threading.Lock()

    def read(self, shard: int, offset: int, size: int, sha256: bytes) -> bytes:
        """The bytes of a range.

        Raises:
            CorruptError: they are others than were written.
            StorageError: nothing answers.
        """
        found = self.get(shard, offset, size)
        if hashlib.sha256(found).digest() != sha256:
            if not self.forget(shard, offset, size):
                raise self.changed(shard)
            found = self.get(shard, offset, size)
            if hashlib.sha256(found).digest() != sha256:
                raise self.changed(shard)
        return found

    def get(self, shard: int, offset: int, size: int) -> bytes:
        """The bytes as they are there."""
        raise NotImplementedError

    def forget(self, shard: int, offset: int, size: int) -> bool:
        """Throw away what is kept of a range; whether there may have been something."""
        return False

    def ahead(self, ranges: Iterator[tuple[int, int, int]]) -> None:
        """Begin to read these."""

    def changed(self, shard: int, what: str = "it isn't what was written into it") -> CorruptError:
        """The error that names a shard."""
        return CorruptError(f"{self.where}/{self.shards[shard][0]}: {what}.\n{REMEDY}")

    def patiently(self, work: Callable[[], T], shard: int) -> T:
        """What `work` gives; where it fails as storages do that are away for a while, it is tried again.

        Raises:
            CorruptError: the shard isn't there, or may not be read.
            StorageError: it has failed for `PATIENCE` seconds.
        """
        began, pause = time.monotonic(), PAUSES[0]
        while True:
            try:
                return work()
            except (FileNotFoundError, PermissionError) as error:
                why = "no such file" if isinstance(error, FileNotFoundError) else "it may not be read"
                raise self.changed(shard, why) from None
            except (CorruptError, UsageError, MemoryError):
                raise
            except Exception as error:  # of any of fsspec's many systems
                text = " ".join(str(error).split())[:120] or type(error).__name__
                if time.monotonic() - began > PATIENCE:
                    raise StorageError(
                        f"{self.where}: no answer for {time.monotonic() - began:.0f} s ({text}).\n"
                        "Try again when it is there; a training goes on: bakeoff train --resume RUN"
                    ) from None
                self._tell(text)
            time.sleep(pause)
            pause = min(2 * pause, PAUSES[1])

    def _tell(self, text: str) -> None:
        """One line, whatever number of threads wait."""
        with self._lock:
            new, now = time.monotonic() - self._told > PATIENCE, time.monotonic()
            self._told = now if new else self._told
        if new:
            tell(f"{self.where}: no answer ({text}); asked again for {PATIENCE:.0f} s")


class Local(Ranges):
    """Shards in a folder."""

    def __init__(self, folder: Path, shards: Sequence[tuple[str, int]]) -> None:
        super().__init__(str(folder), shards)
        self._folder, self._files = folder, dict[int, _File]()
        for number, (name, size) in enumerate(shards):
            place = folder / name
            if place.is_symlink() or not place.is_file():
                raise self.changed(number, "a link, which isn't followed" if place.is_symlink() else "no such file")
            if (now := place.stat().st_size) != size:
                raise self.changed(number, f"{now:,} bytes, where {size:,} were written")

    def get(self, shard: int, offset: int, size: int) -> bytes:
        """The bytes as they are there."""
        return self.patiently(lambda: bytes_at(self._file(shard).handle, size, offset), shard)

    def _file(self, shard: int) -> _File:
        """The file, open; those that are put out are closed when no thread reads them any more."""
        found = self._files.get(shard)
        if found is None:
            with self._lock:
                while len(self._files) >= OPEN:
                    del self._files[next(iter(self._files))]
                found = self._files[shard] = _File(self._folder / self.shards[shard][0])
        return found


class _File:
    """A file that is open for as long as somebody has it."""

    def __init__(self, path: Path) -> None:
        file = regular(path, 0)
        self.handle = file.fileno()
        weakref.finalize(self, file.close)


class Shards(Sequence[FileFacts]):
    """The images of shards, or those of some rows; as a sequence, what is known of each, without reading it.

    Attributes:
        ranges: where they lie.
        compared: whether near copies were looked for when they were written.
        sha256: uint8, (n, 32), of the bytes of each.
        size_bytes: int64, (n,).
        near: int64, (n,): near copies share a number; None: there are none, or it isn't known.
    """

    def __init__(self, numbers: Mapping[str, NDArray[Any]], ranges: Ranges, compared: bool) -> None:
        self._numbers, self.ranges, self.compared = numbers, ranges, compared
        self.sha256, self.size_bytes, self.near = numbers["sha256"], numbers["size"], numbers.get("near")
        self._places = [numbers[name] for name in ("shard", "offset", "size")]
        self._headers = [numbers[name] for name in ("height", "width", "grey")]

    def __len__(self) -> int:
        return len(self.sha256)

    def __getitem__(self, row: Any) -> Any:
        height, width, grey = (column[row].item() for column in self._headers)
        return FileFacts(self.sha256[row].tobytes(), int(self.size_bytes[row]), height, width, grey)

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) that all have; None where they differ."""
        height, width, _ = self._headers
        same = bool(len(self)) and bool((height == height[0]).all() and (width == width[0]).all())
        return (int(height[0]), int(width[0])) if same else None

    @property
    def channels(self) -> int:
        """1 where all are grey, else 3."""
        return 1 if self._headers[2].all() else 3

    def read(self, row: int) -> bytes:
        """The bytes of an image, those that were written.

        Raises:
            CorruptError: they are others by now.
            StorageError: nothing answers.
        """
        shard, offset, size = (column[row].item() for column in self._places)
        return self.ranges.read(shard, offset, size, self.sha256[row].tobytes())

    def ahead(self, rows: NDArray[np.int64]) -> None:
        """Begin to read these rows, which will be asked for soon."""
        self.ranges.ahead(zip(*(column[rows].tolist() for column in self._places), strict=True))

    def select(self, rows: NDArray[np.int64]) -> Shards:
        """These rows alone."""
        return Shards({name: column[rows] for name, column in self._numbers.items()}, self.ranges, self.compared)
