"""Where caches lie, and how a file gets there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/bakeoff`, else the platform's cache folder; may not exist yet."""
    home = os.environ.get("XDG_CACHE_HOME")
    if home:
        return Path(home) / "bakeoff"
    from platformdirs import user_cache_path

    return user_cache_path("bakeoff", appauthor=False)


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is complete: temporary file, fsync, rename, fsync of the folder.

    Readers see the old file or the new one; whoever renames last wins; what is interrupted leaves the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")  # not by mkstemp: others may read what we write
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
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
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
