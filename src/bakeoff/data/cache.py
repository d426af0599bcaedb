"""Where caches lie, and how much may lie there.

BAKEOFF_CACHE_LIMIT     what images may take on disk, as 20GB or 500MB; 0: no image is kept on disk
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from bakeoff.errors import UsageError
from bakeoff.files import make_folder, remove, sweep, temporary
from bakeoff.system import of_another

K = TypeVar("K")
V = TypeVar("V")
LIMIT = 16 << 30
FREE = 2 << 30  # always left on the disk
FEATURES_LIMIT = 2 << 30
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

_refused: list[str] = []


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/bakeoff`, else the platform's cache folder; may not exist yet.

    One that others could have laid out isn't used: what is in it may be theirs, and what is written into it may go
    elsewhere. This process and those that it starts have a temporary one then.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    if home:
        root = Path(home) / "bakeoff"
    else:
        from platformdirs import user_cache_path

        root = user_cache_path("bakeoff", appauthor=False)
    why = _strange(root)
    return _instead(root, why) if why else root


@lru_cache(maxsize=64)
def _strange(root: Path) -> str:
    """What is wrong with a cache folder, in words, "" where nothing is; leftovers of killed processes are removed."""
    if not root.is_dir():
        return ""
    if of_another(root):
        return "it is another user's"
    for kind in root.iterdir():
        if kind.is_symlink():
            return f"{kind.name} is a link"
        if not kind.is_dir():
            continue
        if of_another(kind):
            return f"{kind.name} is another user's"
        with os.scandir(kind) as entries:
            for entry in entries:
                if entry.is_symlink():
                    return f"{kind.name}/{entry.name} is a link"
        sweep(kind)
    return ""


def _instead(root: Path, why: str) -> Path:
    variable = f"_BAKEOFF_CACHE_{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}"
    place = os.environ.get(variable)
    if place is None:
        place = os.environ[variable] = temporary("cache")
        atexit.register(remove, Path(place))
        _refused.append(
            f"the cache {root} isn't used: {why}. Remove it, or set XDG_CACHE_HOME to a folder of your own."
        )
    return Path(place)


def refused() -> tuple[str, ...]:
    """What is to be said of caches that aren't used, once."""
    found = tuple(_refused)
    _refused.clear()
    return found


def held(kind: str, place: Path, load: Callable[[Path], dict[K, V]]) -> tuple[Path, dict[K, V]]:
    """The file of a cache about a place, and what it holds: nothing where there is none, or it can't be read."""
    key = hashlib.sha256(os.fsencode(place.resolve())).hexdigest()[:32]
    path = cache_root() / kind / f"{key}.npz"
    try:
        return path, load(path)
    except Exception:  # of NumPy, zipfile, zlib: whatever became of it, it is made anew
        return path, {}


def limit() -> int:
    """Bytes that decoded images may take on disk: `BAKEOFF_CACHE_LIMIT`, else 16 GiB.

    Raises:
        UsageError: the variable is no size.
    """
    text = os.environ.get("BAKEOFF_CACHE_LIMIT", "").strip().upper()
    if not text:
        return LIMIT
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)I?B?", text)
    if match is None:
        raise UsageError(f"BAKEOFF_CACHE_LIMIT is {text!r}; expected a size, as 20GB or 0.")
    return int(float(match[1]) * _UNITS[match[2]])


def make_space(folder: Path, size: int, most: int) -> bool:
    """Whether `size` bytes may be added to a cache folder of at most `most`; the longest unused files go for it.

    `FREE` bytes stay free on the disk. A file in use by another process goes, too: there it stays readable.
    """
    if size > most:
        return False
    try:
        make_folder(folder)
        trim(folder, most - size)
        return shutil.disk_usage(folder).free >= size + FREE
    except OSError:
        return False


def trim(folder: Path, most: int) -> None:
    """Remove files of a cache folder, the longest unused first, until `most` bytes are left."""
    found = []
    for path in folder.iterdir():
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, path))
    held = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if held <= most:
            return
        with suppress(OSError):
            remove(path)
            held -= size


def touch(path: Path) -> None:
    """Mark a file of a cache as used now."""
    with suppress(OSError):
        os.utime(path)
