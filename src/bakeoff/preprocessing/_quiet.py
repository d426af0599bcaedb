"""Pillow's warnings, off while it works, from any number of threads.

`warnings.catch_warnings` puts back a whole list of filters and so loses what other threads did meanwhile; this adds one
filter with the first thread that enters and takes the same one away with the last that leaves.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_lock = threading.Lock()
_inside = 0
_filter = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


@contextmanager
def quiet() -> Iterator[None]:
    """No warning of Pillow's reaches the user inside."""
    global _inside
    with _lock:
        _inside += 1
        if _filter not in warnings.filters:
            warnings.filters.insert(0, _filter)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                with suppress(ValueError):
                    warnings.filters.remove(_filter)  # type: ignore[attr-defined]
