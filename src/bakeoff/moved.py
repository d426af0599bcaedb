"""Documented names of 0.1 that have another place now: they work until 0.3, with a DeprecationWarning.

A module that lost a name has `__getattr__ = moved.getter(__name__)`.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

HOMES = {
    ("bakeoff.data", "for_tensorflow"): "bakeoff.loaders:for_tensorflow",
    ("bakeoff.data", "for_torch"): "bakeoff.loaders:for_torch",
    ("bakeoff.report", "build"): "bakeoff:report",
}


def getter(module: str) -> Callable[[str], Any]:
    """A module's `__getattr__`, which finds what has moved."""

    def find(name: str) -> Any:
        home = HOMES.get((module, name))
        if home is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return get(module, name, home)

    return find


def get(module: str, name: str, home: str) -> Any:
    """The thing itself, from where it is now; the warning names the user's line."""
    where, _, now = home.partition(":")
    text = f"{module}.{name} is {where}.{now} now; the old name goes with 0.3."
    warnings.warn(text, DeprecationWarning, stacklevel=3)
    return getattr(importlib.import_module(where), now)
