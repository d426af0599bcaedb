"""An end to passes that would take for ever: an LSTM that is unrolled over ten thousand images, a loop over pixels."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from bakeoff.errors import UnsupportedError

SECONDS = 180.0  # of the processor; the largest nets of timm take 30


class _LateError(BaseException):
    """Raised in the thread that is late; no `except Exception` on the way takes it for its own."""


@contextmanager
def deadline(model: nn.Module, name: str, seconds: float | None = None) -> Iterator[None]:
    """Inside it, Python code of this thread is stopped after so many seconds of the processor.

    Args:
        model: whose module is named that runs then.
        name: for messages.
        seconds: default: SECONDS.

    Raises:
        UnsupportedError: it was late.
    """
    limit = SECONDS if seconds is None else seconds
    paths = {id(module): path for path, module in model.named_modules()}
    caller, end, where = threading.get_ident(), time.process_time() + limit, [""]
    done, stop = threading.Event(), ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch() -> None:
        while not done.wait(min(1.0, limit)):
            if time.process_time() > end:
                where[0] = where[0] or _running(caller, paths) or "its own code"
                stop(ctypes.c_ulong(caller), ctypes.py_object(_LateError))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except _LateError:
        pass
    finally:
        done.set()
        _joined(watcher)
    if where[0]:
        raise UnsupportedError(
            f"{name}: {where[0]} was not traced within {limit:.0f} s of the processor.\n"
            "The usual reason is a loop over images, pixels or time steps: nn.LSTM without batch_first=True, for one."
        )


def _joined(watcher: threading.Thread) -> None:
    """Wait for its end, and take what it may have raised meanwhile."""
    while True:
        try:
            watcher.join()
            for _ in range(100):  # what is under way arrives between two steps of a loop
                pass
            return
        except _LateError:
            continue


def _running(thread: int, paths: dict[int, str]) -> str:
    """The path of the innermost module on a thread's stack."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        owner = frame.f_locals.get("self") if isinstance(frame.f_locals.get("self"), nn.Module) else None
        if owner is not None and paths.get(id(owner)):
            return f"{paths[id(owner)]} ({type(owner).__name__})"
        frame = frame.f_back
    return ""
