"""Shards in a storage that fsspec opens: ranges of them, read ahead by threads, and kept in the cache of this machine.

    they fit in the cache     blocks of `BLOCK` bytes, a file each, for all processes of the machine; the longest unused
                              go first (`BAKEOFF_CACHE_LIMIT`, as for decoded images)
    they don't                each image is a request of its own: of a block that is gone before its next image is asked
                              for, most would be read for nothing

A block has its name when it is whole, whoever wrote it; what is read from one is held to the manifest, and a block that
isn't right is read anew, once.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from bakeoff.data import cache
from bakeoff.data.cache import touch
from bakeoff.data.shards.store import Ranges
from bakeoff.errors import UsageError
from bakeoff.files import atomic_write, regular, remove
from bakeoff.system import bytes_at

BLOCK = 4 << 20  # bytes
THREADS = 16
USED = 60.0  # seconds after which a block that is read is marked as used once more
WAITING = 1024  # pieces that were read ahead and aren't taken yet

Piece = tuple[int, int, int]
"""Shard, first byte, number of bytes."""


class Remote(Ranges):
    """Shards behind a URL.

    Args:
        system: fsspec's.
        place: the folder, as it is called there.
        url: the same for a person.
        shards: names and sizes.
        way: of HTTP, which has bounds of its own.
    """

    distant = True

    def __init__(self, system: Any, place: str, url: str, shards: Sequence[tuple[str, int]], way: Any = None) -> None:
        super().__init__(url, shards)
        self._system, self._place, self._way = system, place.rstrip("/"), way
        if hasattr(system, "retries"):  # of s3fs and others, which repeat without a word
            system.retries = 1
        self._flying: dict[Piece, Future[bytes]] = {}
        self._used: dict[Piece, float] = {}
        self._writing = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, "bakeoff-read")
        self._folder = cache.cache_root() / "ranges"
        versions = self._versions()
        self._names = [
            f"{url}\x1f{name}\x1f{size}\x1f{version}" for (name, size), version in zip(shards, versions, strict=True)
        ]
        self._kept = sum(size for _, size in shards) <= cache.limit()

    def get(self, shard: int, offset: int, size: int) -> bytes:
        """The bytes as they are there, or were when they were kept."""
        if not self._kept:
            return self._taken((shard, offset, size))
        found = []
        for piece in self._blocks(shard, offset, size):
            low, high = max(offset, piece[1]) - piece[1], min(offset + size, piece[1] + piece[2]) - piece[1]
            part = self._held(piece, low, high)
            found.append(self._taken(piece)[low:high] if part is None else part)
        return found[0] if len(found) == 1 else b"".join(found)

    def forget(self, shard: int, offset: int, size: int) -> bool:
        """Throw away the blocks of a range; whether there may have been some."""
        for piece in self._blocks(shard, offset, size) if self._kept else ():
            with suppress(OSError):
                remove(self._file(piece))
        return self._kept

    def ahead(self, ranges: Iterator[tuple[int, int, int]]) -> None:
        """Begin to read these."""
        for shard, offset, size in ranges:
            for piece in self._blocks(shard, offset, size) if self._kept else [(shard, offset, size)]:
                if not self._kept or not self._file(piece).is_file():
                    self._begun(piece)

    def _blocks(self, shard: int, offset: int, size: int) -> list[Piece]:
        whole = self.shards[shard][1]
        return [
            (shard, first, min(BLOCK, whole - first)) for first in range(offset // BLOCK * BLOCK, offset + size, BLOCK)
        ]

    def _file(self, piece: Piece) -> Path:
        key = f"{self._names[piece[0]]}\x1f{piece[1]}\x1f{piece[2]}"
        return self._folder / f"{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:40]}.part"

    def _held(self, piece: Piece, low: int, high: int) -> bytes | None:
        """A part of a block from the cache; None where it isn't there."""
        try:
            with regular(self._file(piece), 0) as file:
                found = bytes_at(file.fileno(), high - low, low)
        except OSError:
            return None
        if (now := time.monotonic()) - self._used.get(piece, -USED) >= USED:
            self._used[piece] = now
            touch(self._file(piece))
        return found if len(found) == high - low else None

    def _begun(self, piece: Piece) -> Future[bytes]:
        """The reading of a piece, begun by whoever asks first."""
        with self._lock:
            if piece not in self._flying:
                while len(self._flying) >= WAITING:  # of an epoch that was broken off
                    self._flying.pop(next(iter(self._flying)))
                self._flying[piece] = self._pool.submit(self._brought, piece)
            return self._flying[piece]

    def _taken(self, piece: Piece) -> bytes:
        try:
            return self._begun(piece).result()
        finally:
            with self._lock:
                self._flying.pop(piece, None)

    def _brought(self, piece: Piece) -> bytes:
        """The bytes of a piece from the storage; kept, where there is room."""
        found = self.patiently(lambda: self._asked(piece), piece[0])
        if self._kept and not self._put(piece, found):
            self._kept = False  # from here on images are asked for one by one
        return found

    def _put(self, piece: Piece, content: bytes) -> bool:
        """Whether a block is in the cache now."""
        try:
            with self._writing:  # one after the other, so that the budget is kept
                if not cache.make_space(self._folder, len(content), cache.limit()):
                    return False
                with atomic_write(self._file(piece)) as file:
                    file.write(content)
        except OSError:
            return False
        with self._lock:
            self._flying.pop(piece, None)
        return True

    def _asked(self, piece: Piece) -> bytes:
        shard, first, size = piece
        place = f"{self._place}/{self.shards[shard][0]}"
        try:
            if self._way is None:
                found = self._system.cat_file(place, start=first, end=first + size)
            else:
                found = self._by_http(place, first, size)
        except Exception:
            self._look(shard)
            raise
        if len(found) != size:
            raise self.changed(shard, f"it ends within the {size:,} bytes from {first:,} on")
        return bytes(found)

    def _by_http(self, place: str, first: int, size: int) -> bytes:
        from bakeoff.data.sources._http import Answer

        found = b""
        with Answer(self._system, place, (first, first + size)) as answer:
            while len(found) < size and (piece := answer.read(size - len(found))):
                found += piece
        return found

    def _look(self, shard: int) -> None:
        """After an error: whether a storage that answers has the shard in another size, or not at all."""
        if self._way is not None:
            if self._way.refused:
                raise UsageError(f"{self.where}: {self._way.refused}.\nGive that address itself if you mean it.")
            return
        name, size = self.shards[shard]
        self._system.invalidate_cache()
        try:
            now = self._system.info(f"{self._place}/{name}")["size"]
        except FileNotFoundError:
            raise
        except Exception:  # it doesn't answer
            return
        if now not in (None, size):
            raise self.changed(shard, f"{now:,} bytes, where {size:,} were written")

    def _versions(self) -> list[str]:
        """What tells each shard from its later versions; one request for all of them.

        Raises:
            CorruptError: one isn't there, or has another size.
        """
        if self._way is not None:  # HTTP lists no folder
            return [""] * len(self.shards)
        from bakeoff.data.sources.url import version_of

        self._system.invalidate_cache()
        listed = self._system.find(self._place, maxdepth=1, detail=True)
        there = {path.rpartition("/")[2]: info for path, info in listed.items()}
        for number, (name, size) in enumerate(self.shards):
            if name not in there:
                raise self.changed(number, "no such file")
            if (now := there[name].get("size")) not in (None, size):
                raise self.changed(number, f"{now:,} bytes, where {size:,} were written")
        return [version_of(there[name]) for name, _ in self.shards]
