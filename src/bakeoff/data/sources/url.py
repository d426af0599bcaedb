"""A URL that fsspec opens: `s3://bucket/photos`, `gs://...`, `memory://photos`, `https://host/photos.zip`.

The file, or every file below the folder, is copied to the cache, a file once for each of its versions, and read from
there as what it is. How the place is reached (keys, endpoints) is left to fsspec's own settings, as
`$FSSPEC_S3_ENDPOINT_URL`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from bakeoff.data.cache import cache_root
from bakeoff.data.extract import MOST_FILES, safe_name
from bakeoff.errors import BakeoffError, DataError, MissingDependencyError
from bakeoff.files import atomic_write, make_folder, remove, sweep, write_text
from bakeoff.protocols import Progress

PRIORITY = 50
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/{1,3}(?=[^/])")
_PIECE = 1 << 20
_AT_ONCE = 8


def accepts(path: Path) -> bool:
    """`SCHEME://...`; a path has lost one of the slashes."""
    return _SCHEME.match(str(path)) is not None and not path.exists()


def fetch(path: Path, progress: Progress | None = None) -> Path:
    """The copy: a file, or a folder.

    Raises:
        MissingDependencyError: fsspec, or what it needs for the scheme, isn't installed.
        DataError: nothing is there, or it can't be reached.
    """
    url = url_of(path)
    try:
        import fsspec
    except ImportError:
        raise MissingDependencyError("fsspec", "sources", "reading URLs") from None
    try:
        system, place = fsspec.core.url_to_fs(url)
        return _copied(system, place, url, progress)
    except BakeoffError:
        raise
    except ImportError as error:
        name = getattr(error, "name", None) or "a library for this scheme"
        raise MissingDependencyError(name, "sources", url) from None
    except FileNotFoundError:
        raise DataError(
            f"{url}: nothing is there.\nGive a folder of class folders, or a file that a source reads."
        ) from None
    except Exception as error:  # of any of fsspec's many systems
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(
            f"{url}: can't be read ({type(error).__name__}: {text}).\nSee fsspec for how it is reached."
        ) from None


def url_of(path: Path) -> str:
    """The URL that became a path."""
    return _SCHEME.sub(lambda match: f"{match[1]}:{'///' if match[1] == 'file' else '//'}", str(path), count=1)


def _copied(system: Any, place: str, url: str, progress: Progress | None) -> Path:
    key = hashlib.sha256(url.encode()).hexdigest()[:24]
    name = PurePosixPath(place.rstrip("/")).name or "data"
    if system.isfile(place):
        target = cache_root() / "remote" / key / safe_name(Path(url), name)
        _bring(system, place, system.info(place), target, target.parent)
        return target
    files = system.find(place, detail=True)
    if not files:
        raise FileNotFoundError(url)
    if len(files) > MOST_FILES:
        raise DataError(f"{url}: more than {MOST_FILES:,} files.\nGive a folder further down.")
    root = make_folder(cache_root() / "remote" / key / "tree", cache_root())
    base = system._strip_protocol(place).rstrip("/") + "/"
    jobs = [(path, info, root / safe_name(Path(url), path.removeprefix(base))) for path, info in sorted(files.items())]
    _forget(root, {target for *_, target in jobs})
    with ThreadPoolExecutor(_AT_ONCE, "bakeoff-fetch") as pool:
        work: Callable[[tuple[str, Any, Path]], None] = lambda job: _bring(system, *job, root)  # noqa: E731
        for done, _ in enumerate(pool.map(work, jobs), 1):
            if progress:
                progress(done, len(jobs))
    return root


def _bring(system: Any, place: str, info: Any, target: Path, root: Path) -> None:
    """Copy a file, unless this version of it was copied before."""
    version = _version(info)
    mark = root.parent / "versions" / target.relative_to(root)
    mark = mark.with_name(f"{mark.name}.version")
    if target.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == version:
        return
    remove(mark, root.parent)
    with system.open(place, "rb") as source, atomic_write(target, root) as file:
        while piece := source.read(_PIECE):
            file.write(piece)
    write_text(mark, version, root.parent)


def _version(info: Any) -> str:
    names = ("size", "ETag", "etag", "mtime", "LastModified", "last_modified", "created", "md5Hash", "generation")
    return "\x1f".join(f"{name}={info[name]}" for name in names if info.get(name) is not None)


def _forget(root: Path, wanted: set[Path]) -> None:
    """Take away copies of what isn't there any more."""
    for folder, _, names in os.walk(root):
        sweep(Path(folder))
        for name in names:
            place = Path(folder) / name
            if not name.startswith(".") and place not in wanted:
                remove(place, root)
