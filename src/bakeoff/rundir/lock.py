"""One process writes to a run folder at a time: a lock that the system frees when its holder dies, however it dies."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from bakeoff import system
from bakeoff.errors import UsageError
from bakeoff.files import opened, own, space_for, sweep

NAME = ".lock"
PATIENCE_S = 7.0  # a worker whose parent was killed saves and ends within five seconds


class RunLock:
    """Holds a run folder; use it as a context manager.

    Raises:
        UsageError: another process holds it; names its pid and host. Or it is another user's, or holds links.
        NoRoomError: the disk is full, or the folder can't be written.
    """

    def __init__(self, folder: Path, patience_s: float = PATIENCE_S) -> None:
        self.path, self.patience_s = folder / NAME, patience_s
        self._handle: int | None = None

    def __enter__(self) -> RunLock:
        own(self.path.parent)
        with space_for(self.path, 64):
            handle = opened(self.path, os.O_RDWR | os.O_CREAT)
        end = time.monotonic() + self.patience_s
        while not system.lock(handle):
            if time.monotonic() >= end:
                owner = _owner(handle)
                os.close(handle)
                raise UsageError(
                    f"{self.path.parent}: in use by {owner}.\nWait for that process to end, or stop it; then try again."
                )
            time.sleep(0.1)
        for folder in (self.path.parent, *(self.path.parent / name for name in ("checkpoints", "predictions"))):
            sweep(folder, age_s=0.0)  # nobody else writes here now
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        with suppress(OSError):  # a full disk: the lock holds without the name of its owner
            os.write(handle, json.dumps({"pid": os.getpid(), "host": platform.node()}).encode())
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.ftruncate(self._handle, 0)  # the file stays: another process may be waiting on it
            os.close(self._handle)
            self._handle = None


def held(folder: Path) -> bool:
    """Whether a process is writing to a run folder."""
    try:
        handle = opened(folder / NAME, os.O_RDWR)
    except OSError:
        return False
    free = system.lock(handle)
    os.close(handle)
    return not free


def _owner(handle: int) -> str:
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        value = json.loads(os.read(handle, 4096))
        return f"process {value['pid']} on {value['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
