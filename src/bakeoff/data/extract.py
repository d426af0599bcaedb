"""Archives, unpacked so that nothing in them can do harm: regular files only, below a fresh folder, within limits.

Refused by name, and nothing is kept: absolute names and `..`, symbolic and hard links, devices, sparse and encrypted
members, names that come twice or are too long, more than `MOST_FILES` members, a member above `MOST_BYTES`, and what
grows a hundredfold beyond 100 MB.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from bakeoff.errors import CorruptError
from bakeoff.files import GROWTH, growth, opened, regular
from bakeoff.protocols import Progress

MOST_FILES = 5_000_000
MOST_BYTES = 4 << 30  # of one member
_PIECE = 1 << 20
_LONGEST_READ = 64 << 20  # no header of a tar is that long
_LONGEST_NAME = 1024

_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
)

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")


class Member(NamedTuple):
    """A regular file in an archive, open."""

    name: str
    size: int
    file: Any


def is_archive(path: Path) -> bool:
    """Whether the name is an archive's."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def extract(archive: Path, target: Path, progress: Progress | None = None) -> int:
    """How many files were written below `target`, a fresh folder.

    Raises:
        CorruptError: damaged, or with a member that is refused.
    """
    count, total = 0, archive.stat().st_size
    for member, position in members(archive):
        _write(archive, target, member)
        count += 1
        if progress and count % 64 == 0:
            progress(min(position, total), total)
    if progress:
        progress(total, total)
    return count


def members(archive: Path) -> Iterator[tuple[Member, int]]:
    """Regular files of an archive in their order, with the position in bytes; what isn't one is refused.

    Raises:
        CorruptError: damaged, or with a member that is refused.
    """
    walk = _zip if archive.name.lower().endswith(".zip") else _tar
    budget = _Budget(archive)
    seen: set[str] = set()
    with _translated(archive):
        for member, position in walk(archive):
            checked = safe_name(archive, member.name)
            if checked in seen:
                raise CorruptError(f"{archive}: {member.name!r} is in it twice. It was not unpacked.")
            seen.add(checked)
            if len(seen) > MOST_FILES:
                raise CorruptError(f"{archive}: more than {MOST_FILES:,} files. It was not unpacked.")
            yield Member(checked, member.size, _Counted(member.file, budget, member.name)), position


@contextmanager
def _translated(archive: Path) -> Iterator[None]:
    """The libraries' many errors at damaged archives, as one of ours."""
    try:
        yield
    except _DAMAGE as error:
        raise CorruptError(f"{archive}: damaged ({str(error)[:80] or type(error).__name__}). Get it anew.") from None
    except OSError as error:
        reason = (error.strerror or str(error) or "I/O error").lower()
        raise CorruptError(f"{archive}: can't be read ({reason[:80]}). Get it anew.") from None


def safe_name(archive: Path, name: str) -> str:
    """The relative POSIX path of a member.

    Raises:
        CorruptError: it would lead out of the folder, or is no sensible name.
    """
    pure = PurePosixPath(name)
    bad = (
        pure.is_absolute()
        or ".." in pure.parts
        or not pure.parts
        or "\\" in name
        or "\0" in name
        or (len(pure.parts[0]) == 2 and pure.parts[0][1] == ":")
        or len(os.fsencode(name)) > _LONGEST_NAME
        or any(len(os.fsencode(part)) > 255 for part in pure.parts)
        or any(ord(letter) < 32 for letter in name)
    )
    if bad:
        raise CorruptError(f"{archive}: a member named {name[:100]!r}, which leads elsewhere. It was not unpacked.")
    return str(pure)


def _write(archive: Path, target: Path, member: Member) -> None:
    place = target / member.name
    try:
        with os.fdopen(opened(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, target), "wb") as file:
            while piece := member.file.read(_PIECE):
                file.write(piece)
    except (FileExistsError, NotADirectoryError):
        raise CorruptError(f"{archive}: {member.name!r} is a file and a folder. It was not unpacked.") from None


class _Budget:
    """How much may still come out of an archive."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.limit = growth(archive)
        self.used = 0

    def spend(self, count: int, name: str) -> None:
        self.used += count
        if self.used > self.limit:
            raise CorruptError(
                f"{self.archive}: grows more than {GROWTH}-fold at {name[:100]!r}: a bomb. It was not unpacked."
            )


class _Counted:
    """A member's file that may not give more than the budget."""

    def __init__(self, file: IO[bytes], budget: _Budget, name: str) -> None:
        self.file, self.budget, self.name, self.given = file, budget, name, 0

    def read(self, size: int = -1) -> bytes:
        """As of a file; without a size, everything within the limits."""
        wanted = size if 0 <= size <= _PIECE else _PIECE
        pieces = []
        while piece := self._piece(wanted):
            self.given += len(piece)
            self.budget.spend(len(piece), self.name)
            if self.given > MOST_BYTES:
                raise CorruptError(f"{self.budget.archive}: {self.name[:100]!r} is above {MOST_BYTES:,} bytes.")
            pieces.append(piece)
            if size >= 0:
                break
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        with _translated(self.budget.archive):
            return self.file.read(size)
        return b""


def _zip(archive: Path) -> Iterator[tuple[Member, int]]:
    position = 0
    with regular(archive) as raw, zipfile.ZipFile(raw) as opened:
        if len(opened.infolist()) > MOST_FILES:
            raise CorruptError(f"{archive}: more than {MOST_FILES:,} files. It was not unpacked.")
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir() or kind == stat.S_IFDIR:
                safe_name(archive, info.filename)
                continue
            if kind not in (0, stat.S_IFREG) or info.flag_bits & 0x1:
                what = "encrypted" if info.flag_bits & 0x1 else "a link or device"
                raise CorruptError(f"{archive}: {info.filename[:100]!r} is {what}. It was not unpacked.")
            position += info.compress_size
            with opened.open(info) as file:
                yield Member(info.filename, info.file_size, file), position


def _tar(archive: Path) -> Iterator[tuple[Member, int]]:
    with (
        regular(archive) as raw,
        _decompressed(raw) as plain,
        tarfile.open(fileobj=_Careful(plain, growth(archive)), mode="r:") as opened,  # type: ignore[call-overload]
    ):
        for info in opened:
            opened.members = []  # tarfile would keep every member in memory
            if info.isdir():
                safe_name(archive, info.name) if info.name.strip("./") else None
                continue
            if not info.isreg() or info.issparse():
                raise CorruptError(f"{archive}: {info.name[:100]!r} is a {_kind(info)}. It was not unpacked.")
            file = opened.extractfile(info)
            if file is not None:
                yield Member(info.name, info.size, file), raw.tell()


def _kind(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return f"{'symbolic' if info.issym() else 'hard'} link"
    return "sparse file" if info.issparse() else "device or pipe"


@contextmanager
def _decompressed(raw: IO[bytes]) -> Iterator[Any]:
    head = raw.read(6)
    raw.seek(0)
    if head[:2] == b"\x1f\x8b":
        opened: Any = gzip.GzipFile(fileobj=raw)
    elif head[:3] == b"BZh":
        opened = bz2.BZ2File(raw)
    elif head == b"\xfd7zXZ\0":
        opened = lzma.LZMAFile(raw)  # noqa: SIM115
    else:
        yield raw
        return
    with opened:
        yield opened


class _Careful:
    """A file of which no header can ask for more than a header needs: tarfile reads those at once."""

    def __init__(self, file: Any, most: int) -> None:
        self.file, self.most = file, most

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise ValueError("a header that is longer than any")
        found: bytes = self.file.read(size)
        return found

    def seek(self, position: int, whence: int = 0) -> int:
        if position > self.most:  # what is passed over is unpacked, too
            raise ValueError("it grows a hundredfold: a bomb")
        found: int = self.file.seek(position, whence)
        return found

    def tell(self) -> int:
        found: int = self.file.tell()
        return found
