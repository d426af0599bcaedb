"""Where a job's time went: seconds by stage, which add up to the time of the job.

A stage within another takes its time from that one. What threads do for a stage has names of its own: their shares of
the threads' time are shares of the stage's.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

FILE = "profile.json"
START = "start, imports"

_lock = threading.Lock()
_spent: dict[str, float] = {}
_parts: defaultdict[str, float] = defaultdict(float)  # of threads, since the last booking
_open: list[str] = []
_at = [0.0, 0]  # of the last booking; the thread that works the job


def begin(began: float) -> None:
    """Count from here on, in this thread; what was before, since `began` (seconds since 1970), is the start."""
    _spent.clear()
    _parts.clear()
    _open[:] = ["other"]
    _spent[START] = max(0.0, time.time() - began)
    _at[:] = time.perf_counter(), threading.get_ident()


def spent() -> dict[str, float]:
    """Seconds of the stages so far, in the order in which they began."""
    _book()
    return dict(_spent)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """What is done inside belongs to a stage; in a thread, to a part of the stage that the job is in."""
    if threading.get_ident() != _at[1]:
        began = time.perf_counter()
        try:
            yield
        finally:
            with _lock:
                _parts[name] += time.perf_counter() - began
        return
    _book()
    _open.append(name)
    try:
        yield
    finally:
        _book()
        _open.pop()


def _book() -> None:
    """Add the time since the last booking to the innermost stage, or to its parts."""
    now = time.perf_counter()
    with _lock:
        parts = dict(_parts) or {_open[-1]: 1.0}
        _parts.clear()
    for name, seconds in parts.items():
        _spent[name] = _spent.get(name, 0.0) + (now - _at[0]) * seconds / sum(parts.values())
    _at[0] = now
