"""How files are written: whole or not at all, and what is said where there is no space for them."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bakeoff.errors import NoSpaceError
from bakeoff.system import BINARY, sync

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


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
