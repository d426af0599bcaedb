"""A folder is a registry: its modules are listed without importing them, and one is loaded by name.

    names("bakeoff.ops")             ("add", "avg_pool2d", ...)
    load("bakeoff.ops", "conv2d")    the module

Adding a page, model, source, format or verb is adding a file; there is no list to edit. A file whose name starts with
an underscore belongs to the room and is not an entry.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType

from bakeoff.errors import UsageError


@cache
def names(package: str) -> tuple[str, ...]:
    """The entries of a package's folder, sorted; modules and sub-packages alike."""
    top, *rest = package.split(".")
    spec = importlib.util.find_spec(top)  # of the whole: a room is listed without importing what stands above it
    found = set()
    for root in (spec and spec.submodule_search_locations) or ():
        for path in Path(root, *rest).iterdir():
            module = path.suffix == ".py" or (path / "__init__.py").is_file()
            if module and not path.name.startswith("_"):
                found.add(path.stem)
    return tuple(sorted(found))


def load(package: str, name: str, *, what: str = "") -> ModuleType:
    """The module of that name; hyphens stand for underscores.

    Raises:
        UsageError: there is none; the message has the nearest name.
    """
    known, stem = names(package), name.replace("-", "_")
    if stem not in known:
        what = what or package.rsplit(".", 1)[-1].rstrip("s")
        raise UsageError(f"unknown {what} {name!r}{nearest(name, known)}\nKnown: {', '.join(known)}")
    return importlib.import_module(f"{package}.{stem}")


def either(known: Iterable[str]) -> str:
    """`a, b or c`."""
    *others, last = known
    return f"{', '.join(others)} or {last}" if others else last


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a known name is near, else nothing."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
