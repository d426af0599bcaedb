"""Folders that are made once from something else, as from an archive: whole under their name, or not there at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from bakeoff.data.cache import cache_root
from bakeoff.errors import DataError


def stamp(path: Path) -> str:
    """What tells a file from its later versions: place, size, times of change."""
    status = path.stat()
    return f"{path.resolve()}\x1f{status.st_size}\x1f{status.st_mtime_ns}\x1f{status.st_ctime_ns}"


def made_once(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder of that key in the cache; `make` fills a fresh one if there is none.

    It takes its name when it is complete. If two processes make it at once, the first to finish is kept.

    Raises:
        DataError: the cache has no room.
    """
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    place = cache_root() / "made" / f"{kind}-{digest}"
    if place.is_dir():
        return place
    fresh = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
    try:
        fresh.mkdir(parents=True)
        make(fresh)
        os.rename(fresh, place)
    except OSError as error:
        if place.is_dir():
            return place
        raise DataError(f"{place.parent}: can't be written ({(error.strerror or 'I/O error').lower()}).") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place
