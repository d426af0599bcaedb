"""A disk without room, or a folder that can't be written, said in the words of a person."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bakeoff.errors import DataError

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class NoRoomError(DataError):
    """Nothing more can be written there; what was there before is whole."""


@contextmanager
def room_for(path: Path, needed: int) -> Iterator[None]:
    """Turn the system's errors on writing `needed` bytes into one that names path and need.

    Raises:
        NoRoomError: the disk is full, or the place can't be written.
    """
    try:
        yield
    except OSError as error:
        size = f"{needed / 2**20:.1f} MiB" if needed >= 2**17 else f"{max(needed, 1) / 2**10:.1f} KiB"
        if error.errno in _FULL:
            raise NoRoomError(f"{path}: no space left; this write needs {size} there.\nMake room.") from None
        raise NoRoomError(f"{path}: can't be written: {error.strerror or error}.") from None
