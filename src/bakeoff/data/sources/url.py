"""A URL that fsspec opens: `s3://bucket/photos`, `gs://...`, `memory://photos`, `https://host/photos.zip`.

The file, or every file below the folder, is copied to the cache, a file once for each of its versions, and read from
there as what it is; of shards (`bakeoff.data.shards`) the manifest alone, images come as they are asked for. How the
place is reached (keys, endpoints) is left to fsspec's own settings, as `$FSSPEC_S3_ENDPOINT_URL`. No file
gives more than it said, nor 4 GiB without a word of it, and 2 GiB of the disk stay free; what servers of HTTP may do
besides stands in `_http`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from bakeoff.data.cache import FREE, cache_root
from bakeoff.data.extract import MOST_BYTES, MOST_FILES, safe_name
from bakeoff.data.shards import MANIFEST
from bakeoff.data.sources import _http
from bakeoff.errors import BakeoffError, DataError, MissingDependencyError, NoSpaceError
from bakeoff.files import atomic_write, make_folder, remove, sweep, write_text
from bakeoff.protocols import Progress

PRIORITY = 50
# Stores. What fsspec has besides (reference, simplecache, zip, a chain of them) reads what a file of others names, from
# anywhere and past our bounds.
STORES = (
    *("abfs", "abfss", "adl", "az", "box", "dbfs", "dropbox", "ftp", "gcs", "gdrive", "github", "gs", "hdfs", "hf"),
    *("http", "https", "memory", "oci", "oss", "s3", "s3a", "sftp", "smb", "ssh", "tos", "webdav", "webhdfs"),
)
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
    scheme = url.partition(":")[0]
    if scheme in ("file", "local"):
        return Path(url.removeprefix(f"{scheme}://"))
    with reached(url) as (system, place, way):
        if way:
            return _answered(system, place, url)
        if of_shards(system, place):
            return Path(f"{url.rstrip('/')}/{MANIFEST}")
        return _copied(system, place, url, progress)


def of_shards(system: Any, place: str) -> bool:
    """Whether a place is a folder of shards; who may read one file alone may not be told that there is no other."""
    with suppress(PermissionError):
        return bool(system.isfile(f"{place.rstrip('/')}/{MANIFEST}"))
    return False


@contextmanager
def reached(url: str, **settings: Any) -> Iterator[tuple[Any, str, _http.Way | None]]:
    """fsspec's file system for a URL, what the place is called there, and the way, where it is HTTP's.

    Args:
        settings: of the file system, besides what stands in the URL.

    Raises:
        MissingDependencyError: fsspec, or what it needs for the scheme, isn't installed.
        DataError: whatever goes wrong inside: nothing is there, or it can't be reached.
    """
    scheme = url.partition(":")[0]
    if scheme not in STORES:
        raise DataError(f"{url}: {scheme!r} is no store of files that is read.\nGive one of: {', '.join(STORES)}.")
    way = _http.Way(url) if url.startswith(tuple(f"{scheme}://" for scheme in _http.SCHEMES)) else None
    try:
        import fsspec
    except ImportError:
        raise MissingDependencyError("fsspec", "sources", "reading URLs") from None
    try:
        kind = fsspec.get_filesystem_class(scheme)  # and not `url_to_fs`, which takes `::` for a chain
        system = kind(**kind._get_kwargs_from_urls(url), **({"get_client": way.client} if way else {}), **settings)
        yield system, kind._strip_protocol(url), way
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
        if way and way.refused:
            raise DataError(f"{url}: {way.refused}.\nGive that address itself if you mean it.") from None
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(
            f"{url}: can't be read ({type(error).__name__}: {text}).\nSee fsspec for how it is reached."
        ) from None


def url_of(path: Path) -> str:
    """The URL that became a path."""
    return _SCHEME.sub(
        lambda match: f"{match[1]}:{'///' if match[1] in ('file', 'local') else '//'}", str(path), count=1
    )


def _target(place: str, url: str) -> Path:
    name = PurePosixPath(place.rstrip("/")).name or "data"
    return _folder(url) / safe_name(Path(url), name)


def _folder(url: str) -> Path:
    return cache_root() / "remote" / hashlib.sha256(url.encode()).hexdigest()[:24]


def _answered(system: Any, place: str, url: str) -> Path:
    """One request says which version it is, and brings it."""
    target = _target(place, url)
    with _http.Answer(system, place) as answer:
        _bring(lambda: answer, url, answer.facts, target, target.parent)
    return target


def _copied(system: Any, place: str, url: str, progress: Progress | None) -> Path:
    def bring(place: str, info: Any, target: Path, root: Path) -> None:
        _bring(lambda: system.open(place, "rb"), url, info, target, root)

    if system.isfile(place):
        target = _target(place, url)
        bring(place, system.info(place), target, target.parent)
        return target
    files = system.find(place, detail=True)
    if not files:
        raise FileNotFoundError(url)
    if len(files) > MOST_FILES:
        raise DataError(f"{url}: more than {MOST_FILES:,} files.\nGive a folder further down.")
    root = make_folder(_folder(url) / "tree", cache_root())
    base = system._strip_protocol(place).rstrip("/") + "/"
    jobs = [(path, info, root / safe_name(Path(url), path.removeprefix(base))) for path, info in sorted(files.items())]
    _forget(root, {target for *_, target in jobs})
    with ThreadPoolExecutor(_AT_ONCE, "bakeoff-fetch") as pool:
        work: Callable[[tuple[str, Any, Path]], None] = lambda job: bring(*job, root)  # noqa: E731
        for done, _ in enumerate(pool.map(work, jobs), 1):
            if progress:
                progress(done, len(jobs))
    return root


def _bring(source: Callable[[], AbstractContextManager[Any]], url: str, info: Any, target: Path, root: Path) -> None:
    """Copy a file, unless this version of it was copied before."""
    version, said = version_of(info), info.get("size")
    mark = root.parent / "versions" / target.relative_to(root)
    mark = mark.with_name(f"{mark.name}.version")
    if version and target.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == version:
        return
    remove(mark, root.parent)
    given = 0
    with source() as file, atomic_write(target, root) as copy:
        while piece := file.read(_PIECE):
            given += len(piece)
            if given > (MOST_BYTES if said is None else said):
                most = f"{MOST_BYTES:,} bytes, and doesn't say its size" if said is None else f"it said ({said:,})"
                raise DataError(f"{url}: it gives more than {most}.\nGet it by other means, and give the file.")
            if shutil.disk_usage(root).free < FREE:
                raise NoSpaceError(f"{target}: less than {FREE >> 30} GiB would be left on its disk.\nMake room.")
            copy.write(piece)
    write_text(mark, version, root.parent)


def version_of(info: Any) -> str:
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
