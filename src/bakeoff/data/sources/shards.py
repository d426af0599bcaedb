"""Shards, as `data shard` writes them: their folder or their `shards.parquet`, here or behind a URL (`s3://...`).

Nothing is copied and no image is read: what is known of each stands in the manifest, which is brought here. Images come
as they are asked for (`bakeoff.data.shards.store`, `.remote`). Where the data was one array, it becomes one again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.cache import cache_root
from bakeoff.data.shards import MANIFEST
from bakeoff.data.shards.columns import Columns, columns_of
from bakeoff.data.shards.remote import Remote
from bakeoff.data.shards.store import Local, Ranges, Shards
from bakeoff.data.sources import _names, url
from bakeoff.files import alone
from bakeoff.protocols import Table

PRIORITY = 60  # before URLs, and before folders with a Parquet file
AT_ONCE = 4096  # images
_ONCE = {"config_kwargs": {"retries": {"total_max_attempts": 1}, "connect_timeout": 10, "read_timeout": 30}}
SETTINGS: Mapping[str, dict[str, Any]] = {"s3": _ONCE, "s3a": _ONCE}  # we repeat, and say so
IN_MEMORY = 1_000_000  # rows; names of more are decoded when they are asked for


def accepts(path: Path) -> bool:
    """A file `shards.parquet`, a folder that has one, or such a file behind a URL."""
    if path.name == MANIFEST:
        return path.is_file() or _behind_url(path)
    return (path / MANIFEST).is_file()


def stored(path: Path) -> Table | None:
    """The table of shards, where a path or URL leads to some, whatever their classes; None where it doesn't."""
    if url.accepts(path) and _behind_url(path) and not accepts(path):
        with url.reached(url.url_of(path)) as (system, place, way):
            there = way is None and url.of_shards(system, place)
        path = path / MANIFEST if there else path
    return read(path, strict=False) if accepts(path) else None


def _behind_url(path: Path) -> bool:
    return url.accepts(path) and url.url_of(path).partition(":")[0] in url.STORES


def read(path: Path, *, strict: bool = True) -> Table:
    """The table; if not `strict`, whatever is wrong with the classes.

    Raises:
        MissingDependencyError: pyarrow, or what fsspec needs, isn't installed.
        DataError: no manifest, or one that can't be true.
        CorruptError: a shard isn't there, or has another size than was written.
    """
    columns, ranges = _opened(path)
    if strict:
        _names.check(path, columns.header.classes)
    store, found = Shards(columns.numbers, ranges, columns.header.compared), columns.names("path")
    assert found is not None
    few = columns.header.rows <= IN_MEMORY
    paths: Any = np.array(found.tolist(), np.str_) if few else found
    groups = columns.names("group")
    group = None if groups is None else np.array(groups.tolist(), np.str_)
    own = columns.header.classes, paths, columns.labels, columns.numbers["split"]
    if columns.header.array is not None:
        return Table(*own, pixels=_pixels(store, columns.header.array), group=group)
    return Table(*own, store=store, group=group)


def _opened(path: Path) -> tuple[Columns, Ranges]:
    if not _behind_url(path):
        manifest = path if path.name == MANIFEST else path / MANIFEST
        columns = columns_of(manifest)
        return columns, Local(manifest.parent, columns.header.shards)
    where, cache = url.url_of(path).rpartition("/")[0], cache_root()
    digest = hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    with alone(cache / "locks" / digest, cache):  # a second worker finds what the first has brought
        columns = columns_of(url.fetch(path))
    with url.reached(where, **SETTINGS.get(where.partition(":")[0], {})) as (system, place, way):
        return columns, Remote(system, place, where, columns.header.shards, way)


def _pixels(store: Shards, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """All images as one array, (n, *shape)."""
    pixels = np.empty((len(store), *shape), np.uint8)
    for first in range(0, len(pixels), AT_ONCE):
        rows = np.arange(first, min(first + AT_ONCE, len(pixels)))
        if store.ranges.distant:
            store.ahead(rows)
        for row in rows.tolist():
            pixels[row] = np.frombuffer(store.read(row), np.uint8).reshape(shape)
    return pixels
