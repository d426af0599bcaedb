"""Folders that are made once from something else, as from an archive: whole under their name, or not there at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bakeoff.data.cache import cache_root
from bakeoff.errors import DataError
from bakeoff.files import fresh


def stamp(path: Path) -> str:
    """What tells a file from its later versions: place, size, times of change."""
    status = path.stat()
    return f"{path.resolve()}\x1f{status.st_size}\x1f{status.st_mtime_ns}\x1f{status.st_ctime_ns}"


def made_once(kind: str, files: Sequence[Path], make: Callable[[Path], None], *more: str) -> Path:
    """The folder that `make` fills from files; it is in the cache if it was made of the same ones before.

    It takes its name when it is complete, and the files are as they were when it was begun. If two processes make it at
    once, the first to finish is kept.

    Args:
        more: what else decides what is made.

    Raises:
        DataError: the cache has no room; a file changed meanwhile.
    """
    stamps = [*map(stamp, files)]
    key = "\x1f".join([*stamps, *more])
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    place = cache_root() / "made" / f"{kind}-{digest}"
    if _is_there(place):
        return place
    try:
        with fresh(place) as made:
            make(made)
            for file, old in zip(files, stamps, strict=True):
                if stamp(file) != old:
                    raise DataError(f"{file}: changed while it was read.\nTry again when it is whole.")
            os.rename(made, place)
    except OSError as error:
        if _is_there(place):
            return place
        raise DataError(f"{place.parent}: can't be written ({(error.strerror or 'I/O error').lower()}).") from None
    return place


def _is_there(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()
