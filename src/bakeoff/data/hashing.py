"""Every file is read once: hashed, its header looked at, its end checked. What was found is cached on disk.

The cache knows a file by (path, size, times of change and of status change, in ns), asked of the very file that was
read. A file changed within the last two seconds isn't cached: it could change again within the clock's tick. A damaged
or missing cache costs time only. What is decoded later is hashed again (`verified`): files change while they are used.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bakeoff.data.cache import held
from bakeoff.errors import DataError
from bakeoff.files import atomic_write, content, read_arrays, regular
from bakeoff.preprocessing import decode, read_header
from bakeoff.preprocessing._work import LARGEST_FILE, check_size
from bakeoff.protocols import Progress
from bakeoff.workers.profile import stage

CHUNK = 64
WHOLE = 32 << 20  # larger files are read in pieces of this many bytes
SAVE_EVERY_S = 30.0
Visit = Callable[[int, bytes, bytes], str]
"""What decodes a new file: from its place, SHA-256 and content to why it can't be decoded, or ""."""
_SETTLED_NS = 2_000_000_000
_FORMAT = 1

Stamp = tuple[int, int, int]
"""Size in bytes, time of change and of status change in ns."""
MOVING: Stamp = (-1, -1, -1)


class FileFacts(NamedTuple):
    """What is known of a file; `reason` says why it is no image, else it is empty."""

    sha256: bytes
    size_bytes: int
    height: int
    width: int
    grey: bool
    reason: str = ""


def hash_files(
    root: Path,
    paths: Iterable[str],
    *,
    workers: int = 2,
    progress: Progress | None = None,
    visit: Visit | None = None,
) -> list[FileFacts]:
    """Facts of every file, in the order of `paths`, which are relative to `root`.

    Interrupted, what was done is kept in the cache.
    """
    names = list(paths)
    cache = HashCache.open(root)
    facts: list[FileFacts | None] = [None] * len(names)
    missing: list[int] = []
    for index, name in enumerate(names):
        known = cache.known.get(name)
        if known is not None and known[0] == _stamp(root / name):
            facts[index] = known[1]
        else:
            missing.append(index)
    done = len(names) - len(missing)
    if progress:
        progress(done, len(names))
    saved = time.monotonic()
    try:
        for block, found in _read(root, names, missing, workers, visit):
            for index, (fact, stamp) in zip(block, found, strict=True):
                facts[index] = fact
                cache.add(names[index], stamp, fact)
            done += len(block)
            if progress:
                progress(done, len(names))
            if time.monotonic() - saved > SAVE_EVERY_S:
                cache.save()
                saved = time.monotonic()
    finally:
        cache.save()
    return [fact for fact in facts if fact is not None]


def _read(
    root: Path, names: list[str], missing: list[int], workers: int, visit: Visit | None
) -> Iterator[tuple[list[int], list[tuple[FileFacts, Stamp]]]]:
    blocks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
    pool = ThreadPoolExecutor(max(1, workers), "bakeoff-hash")

    def look(index: int) -> tuple[FileFacts, Stamp]:
        return _look(root / names[index], None if visit is None else partial(visit, index))

    try:
        found = pool.map(lambda block: [look(index) for index in block], blocks)
        yield from zip(blocks, found, strict=True)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def look_at(path: Path) -> FileFacts:
    """The facts of one file; a file whose end is missing is decoded, to be sure."""
    return _look(path)[0]


def _look(path: Path, visit: Callable[[bytes, bytes], str] | None = None) -> tuple[FileFacts, Stamp]:
    """As `look_at`, and the stamp of what was read: `MOVING` where it changed meanwhile.

    Args:
        visit: called with SHA-256 and content, where the file isn't too large.
    """
    digest, size, stamp = b"\0" * 32, 0, MOVING
    try:
        with regular(path) as file:
            before = _stamp(file.fileno())
            check_size(os.fstat(file.fileno()).st_size)
            with stage("hashes"):
                data = file.read(WHOLE)
                size = len(data)
                hasher = hashlib.sha256(data)
                if size == WHOLE:
                    while piece := file.read(WHOLE):
                        hasher.update(piece)
                        size += len(piece)
                digest = hasher.digest()
                header = read_header(data if size < WHOLE else path)
            visited = visit(digest, data) if visit and size < WHOLE else None
            if not _ends_well(data, size):
                if visited:
                    raise DataError(visited)
                if visited is None:
                    decode(data if size < WHOLE else path)
            if _stamp(file.fileno()) == before:
                stamp = before
        return FileFacts(digest, size, *header), stamp
    except DataError as error:
        return FileFacts(digest, size, 0, 0, False, str(error)), stamp
    except OSError as error:
        return FileFacts(digest, size, 0, 0, False, _unread(path, error)), stamp


def verified(root: str, name: str, sha256: bytes) -> bytes:
    """The content of a file that was hashed before, read once more: what is decoded is what is known.

    Raises:
        DataError: it is another one by now, or can't be read; the message is one short reason, without the path.
    """
    path = Path(os.path.join(root, name))
    try:
        found = content(path, LARGEST_FILE)
    except OSError as error:
        raise DataError(_unread(path, error)) from None
    if hashlib.sha256(found).digest() == sha256:
        return found
    cache = HashCache.open(Path(root))  # where times of change say nothing, it would be wrong for ever
    cache.changed = cache.known.pop(name, None) is not None
    cache.save()
    raise DataError("changed since it was first read: use the folder when nothing else does")


def _unread(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "broken link" if path.is_symlink() else "no such file"
    return f"can't be read ({(error.strerror or 'I/O error').lower()})"


def _ends_well(data: bytes, size: int) -> bool:
    """Whether the file has the end that its format asks for; what isn't known here has not."""
    if size > len(data):
        return False
    if data.startswith(b"\xff\xd8"):
        return data.endswith(b"\xff\xd9")
    if data.startswith(b"\x89PNG"):
        return data.endswith(b"IEND\xaeB`\x82")
    return data.startswith(b"GIF8") and data.endswith(b"\0;")


def _stamp(file: Path | int) -> Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return MOVING
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass
class HashCache:
    """What was found in a folder before, by relative path."""

    path: Path
    known: dict[str, tuple[Stamp, FileFacts]]
    changed: bool = False

    @classmethod
    def open(cls, root: Path) -> HashCache:
        """The cache of a folder; empty where there is none, or where it can't be read."""
        return cls(*held("hashes", root, _load))

    def add(self, name: str, stamp: Stamp, facts: FileFacts) -> None:
        """Remember a readable file that has settled."""
        if not facts.reason and stamp != MOVING and time.time_ns() - max(stamp[1:]) > _SETTLED_NS:
            self.known[name] = stamp, facts
            self.changed = True

    def save(self) -> None:
        """Write what is new; a cache that can't be written is no reason to stop."""
        if not self.changed:
            return
        rows = list(self.known.values())
        with suppress(OSError), atomic_write(self.path) as file:
            np.savez(
                file,
                format=np.array(_FORMAT),
                paths=np.frombuffer("\0".join(self.known).encode("utf-8", "surrogateescape"), np.uint8),
                stamps=np.array([stamp for stamp, _ in rows], np.int64).reshape(-1, 3),
                sha256=np.frombuffer(b"".join(facts.sha256 for _, facts in rows), np.uint8).reshape(-1, 32),
                headers=np.array([facts[2:5] for _, facts in rows], np.int32).reshape(-1, 3),
            )
            self.changed = False


def _load(path: Path) -> dict[str, tuple[Stamp, FileFacts]]:
    archive = read_arrays(path)
    if int(archive["format"]) != _FORMAT:
        return {}
    names = archive["paths"].tobytes().decode("utf-8", "surrogateescape").split("\0")
    stamps, headers = archive["stamps"].tolist(), archive["headers"].tolist()
    digests = archive["sha256"].tobytes()
    known: dict[str, tuple[Stamp, FileFacts]] = {}
    for index, (name, stamp, header) in enumerate(zip(names, stamps, headers, strict=True)):
        facts = FileFacts(digests[32 * index : 32 * index + 32], stamp[0], header[0], header[1], bool(header[2]))
        known[name] = (stamp[0], stamp[1], stamp[2]), facts
    return known
