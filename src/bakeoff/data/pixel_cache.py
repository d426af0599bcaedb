"""Decoded images on disk: one file for a set of images and a signature, read row by row.

    header      4,096 bytes: JSON with the format, the shape of an image and how many there are
    ready       a byte an image: 1 where its row is written
    sums        uint32 of four bytes an image, little-endian: the CRC-32 of its row
    rows        uint8, (n, H, W, C)

The file's name is a hash of the images' contents, the signature, and the versions that decode. A file takes its name
when its header is complete; rows are added as they are decoded, and said to be ready only after they have reached the
disk. So a process may be killed at any time, two may fill one file (they write the same bytes), and a row that is said
to be ready is whole. A file of a wrong size or header is thrown away, and a row that isn't what its sum says (lost bits
a copy that was broken off, somebody's edit) is decoded anew; each process looks once. A full disk, or a file that
others make shorter meanwhile, ends the caching, not the training: from then on images are decoded.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import weakref
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.data import cache
from bakeoff.files import atomic_write, opened, regular, remove
from bakeoff.preprocessing import Signature
from bakeoff.system import read_at, write_at

FORMAT = 2
HEADER = 4096
SUM = 4  # bytes


class PixelCache:
    """The rows of one file. Safe for threads, and for several processes.

    Attributes:
        ready: bool, (n,), which rows can be read.
        failed: nothing more is kept, since the disk is full or the file isn't whole any more.
    """

    def __init__(self, path: Path, count: int, shape: tuple[int, int, int]) -> None:
        self.path, self.count, self.shape = path, count, shape
        self._handle = opened(path, os.O_RDWR)
        weakref.finalize(self, os.close, self._handle)
        self.row_bytes = int(np.prod(shape, dtype=np.int64))
        self._first = HEADER + count * (1 + SUM)
        head = np.empty(count * (1 + SUM), np.uint8)
        if not self._get(head, HEADER):
            raise OSError(errno.EIO, "shorter than it was", os.fspath(path))
        self._sums = head[count:].view("<u4")
        self._sound = np.zeros(count, bool)  # rows that were looked at, or written here
        self.ready = head[:count].astype(bool)
        self._saved = self.ready.copy()
        self._saving = threading.Lock()
        self.failed = False

    @classmethod
    def open(cls, sha256: NDArray[np.uint8], signature: Signature) -> PixelCache | None:
        """The cache of images of these contents; None where there is no room for it, or no place.

        Args:
            sha256: uint8, (n, 32), different contents in ascending order: a row each.
            signature: how they become rows.
        """
        shape = (*signature.size, signature.channels)
        path = cache.cache_root() / "pixels" / f"{_key(sha256, signature)}.u8"
        size = HEADER + len(sha256) * (1 + SUM + int(np.prod(shape, dtype=np.int64)))
        try:
            if not _whole(path, size, len(sha256), shape):
                if not cache.make_space(path.parent, size, cache.limit()):
                    return None
                with atomic_write(path) as file:
                    file.write(_header(len(sha256), shape))
                    file.truncate(size)
            cache.touch(path)
            return cls(path, len(sha256), shape)
        except (OSError, ValueError):
            return None

    def write(self, row: int, pixels: NDArray[np.uint8]) -> None:
        """Keep an image, (H, W, C); where the disk is full, it and all that follow are not kept."""
        self._look()
        if self.failed or self.ready[row]:
            return
        try:
            data = np.ascontiguousarray(pixels).data.cast("B")
            self._put(data, self._first + row * self.row_bytes)
            self._put(zlib.crc32(data).to_bytes(SUM, "little"), HEADER + self.count + row * SUM)
        except OSError:
            self.failed = True
        else:
            self.ready[row] = self._sound[row] = True

    def has(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `rows` can be read, and are what was written."""
        for row in rows[self.ready[rows] & ~self._sound[rows]].tolist():
            image = np.empty(self.shape, np.uint8)
            whole = self._get(image, self._first + row * self.row_bytes)
            self._sound[row] = self.ready[row] = whole and zlib.crc32(image.data) == self._sums[row]
        found: NDArray[np.bool_] = self.ready[rows]
        return found

    def read(self, rows: NDArray[np.int64], out: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Copy `rows` to `out[places]`; bool, (len(rows),): which were there."""
        self._look()
        there: NDArray[np.bool_] = self.ready[rows]
        for number in np.flatnonzero(there).tolist():
            there[number] = self._get(out[places[number]], self._first + int(rows[number]) * self.row_bytes)
        return there

    def save(self) -> None:
        """Say on disk which rows are ready, once they are there; takes as long as the disk needs."""
        with self._saving, suppress(OSError):
            new = self.ready & ~self._saved
            if not new.any() or self.failed:
                return
            os.fsync(self._handle)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], new.view(np.int8), [0]]))).tolist()
            for first, end in zip(edges[::2], edges[1::2], strict=True):  # others may have marked the rows between
                self._put(b"\1" * (end - first), HEADER + first)
            self._saved |= new

    def _look(self) -> None:
        """Rely on nothing of a file that others have made shorter, or longer."""
        if os.fstat(self._handle).st_size != self._first + self.count * self.row_bytes:
            self.failed = True
            self.ready[:] = False

    def _get(self, out: NDArray[np.uint8], at: int) -> bool:
        """Fill `out` from a place of the file; False where the file ends before."""
        left = out.data.cast("B")
        while len(left):
            done = read_at(self._handle, left, at)
            if not done:
                return False
            at, left = at + done, left[done:]
        return True

    def _put(self, data: memoryview | bytes, at: int) -> None:
        while len(data):
            done = write_at(self._handle, data, at)
            at, data = at + done, data[done:]


def _key(sha256: NDArray[np.uint8], signature: Signature) -> str:
    import PIL

    from bakeoff.preprocessing.pixels import GAP

    parts = (FORMAT, PIL.__version__, GAP, signature.pixels_digest())
    digest = hashlib.sha256(json.dumps(parts).encode())
    digest.update(np.ascontiguousarray(sha256).tobytes())
    return digest.hexdigest()[:40]


def _header(count: int, shape: tuple[int, int, int]) -> bytes:
    return json.dumps({"format": FORMAT, "count": count, "shape": shape}).encode().ljust(HEADER)


def _whole(path: Path, size: int, count: int, shape: tuple[int, int, int]) -> bool:
    """Whether the file is there and as it should be; another one is taken away."""
    try:
        with regular(path) as file:
            if os.fstat(file.fileno()).st_size == size and file.read(HEADER) == _header(count, shape):
                return True
        remove(path)
    except OSError:
        pass
    return False
