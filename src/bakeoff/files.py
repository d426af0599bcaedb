"""How files are opened and written: regular ones alone; whole or not at all; what is said where there is no space."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from bakeoff.errors import NoSpaceError, UsageError
from bakeoff.system import BINARY, TO_READ, of_another, sync

MOST_TEXT = 256 << 20
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def regular(path: str | os.PathLike[str], buffering: int = -1) -> IO[bytes]:
    """A file that is opened to read: a pipe would keep its reader waiting for ever, a device may have no end.

    Raises:
        OSError: it isn't there, may not be read, or is no regular file.
    """
    handle = os.open(path, TO_READ)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
        raise OSError(errno.EINVAL, f"{kind}, not a file", os.fspath(path))
    return os.fdopen(handle, "rb", buffering)


def own(folder: Path) -> None:
    """Refuse to write into a folder that others could have laid out: links in it lead what is written elsewhere.

    Raises:
        UsageError: something in it is a link, a pipe or a device, or the folder is another user's.
    """
    waiting = [folder] if folder.is_dir() else []
    if waiting and of_another(folder):
        raise UsageError(f"{folder}: it is another user's. Copy it, and go on with the copy: cp -r")
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    kind = "a link" if entry.is_symlink() else "a pipe or device"
                    raise UsageError(
                        f"{entry.path}: {kind}; nothing is written into a folder that holds one. Remove it."
                    )


def content(path: Path, most: int = MOST_TEXT) -> bytes:
    """The bytes of a regular file that is a text, as JSON.

    Raises:
        OSError: as `regular`; or it is larger than such a file can be.
    """
    with regular(path) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", os.fspath(path))
    return found


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: as `content`.
        ValueError: it isn't JSON, or is nested beyond reason.
    """
    try:
        return json.loads(content(path))
    except RecursionError:
        raise ValueError("nested too deep") from None


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is complete: temporary file, fsync, rename, fsync of the folder.

    Readers see the old file or the new one; whoever renames last wins; what is interrupted leaves the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")  # not by mkstemp: others may read what we write
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    sync(path.parent)


@contextmanager
def space_for(path: Path, needed: int) -> Iterator[None]:
    """Turn the system's errors on writing `needed` bytes into one that names path and need.

    Raises:
        NoSpaceError: the disk is full, or the place can't be written.
    """
    try:
        yield
    except OSError as error:
        size = f"{needed / 2**20:.1f} MiB" if needed >= 2**17 else f"{max(needed, 1) / 2**10:.1f} KiB"
        if error.errno in _FULL:
            raise NoSpaceError(f"{path}: no space left; this write needs {size} there.\nMake room.") from None
        raise NoSpaceError(f"{path}: can't be written: {error.strerror or error}.") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file: it has its name only when it is complete.

    Raises:
        NoSpaceError: the disk is full, or the place can't be written.
    """
    content = text.encode()
    with space_for(path, len(content)), atomic_write(path) as stream:
        stream.write(content)
