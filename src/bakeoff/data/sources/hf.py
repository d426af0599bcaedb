"""`hf/NAME`: Hugging Face datasets, from the hub, or from a repository on disk (`hf/PATH`).

What was downloaded before is found in the library's cache; the rest the library fetches. Code in a repository isn't
run. `?name=CONFIG`, `?image=COLUMN` and `?label=COLUMN` say what isn't plain. See `_hub` for the grammar.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.data.sources import _hub
from bakeoff.data.sources._rows import LABELS
from bakeoff.errors import DataError
from bakeoff.files import content
from bakeoff.preprocessing._work import LARGEST_FILE
from bakeoff.protocols import Progress

PRIORITY = 40
LIBRARY = "datasets"


def accepts(path: Path) -> bool:
    """`hf/NAME`."""
    return _hub.asks(path, "hf")


def fetch(path: Path, progress: Progress | None = None) -> Path:
    """The images in the cache.

    Raises:
        MissingDependencyError: datasets isn't installed.
        DataError: the library can't give the data set.
    """
    return _hub.brought("hf", path, _local(_hub.parse(path, "hf")), progress)


def _local(spec: _hub.Spec) -> Path | None:
    """The repository on disk; a leading slash is lost where `hf//a/b` becomes a path."""
    return next((place for place in (Path(spec.name), Path("/") / spec.name) if place.is_dir()), None)


def collect(spec: _hub.Spec) -> _hub.Collected:
    """The images of all splits, or of those that are named."""
    import datasets as library

    options = {key: value for key, value in spec.options.items() if key not in ("image", "label")}
    local = _local(spec)
    name = str(local) if local else spec.name
    if spec.splits:
        parts = [(ours, library.load_dataset(name, split=theirs, **options)) for ours, theirs in spec.sides()]
    else:
        found = library.load_dataset(name, **options)
        known = [(ours, found[ours]) for ours in _hub.SPLITS if ours in found]
        parts = known if len(known) > 1 else [("", next(iter(found.values())))]
    features = parts[0][1].features
    image = spec.options.get("image") or _only(features, lambda kind: isinstance(kind, library.Image), "Image", spec)
    label = spec.options.get("label") or _label(features, library, spec)
    names = tuple(getattr(features[label], "names", None) or ())
    raw = [(ours, part.cast_column(image, library.Image(decode=False))) for ours, part in parts]
    roots = [local] if local else _caches(library)
    return _hub.Collected(names, sum(len(part) for _, part in raw), _items(raw, image, label, names, roots))


def _caches(library: Any) -> list[Path]:
    """Where the library keeps what it downloaded."""
    home, made = library.config.HF_CACHE_HOME, library.config.HF_DATASETS_CACHE
    return [Path(place) for place in (home, made, os.environ.get("HF_HUB_CACHE", home))]


def content_of(cell: Mapping[str, Any], roots: Sequence[Path]) -> bytes:
    """The bytes of an image, in the cell or in the file that it names: one of the data set's own.

    Raises:
        DataError: it names another file of this machine, or none that can be read.
    """
    if cell["bytes"] is not None:
        return bytes(cell["bytes"])
    path = Path(cell["path"])
    if not any(path.resolve().is_relative_to(root.resolve()) for root in roots):
        raise DataError(f"{path}: an image that lies outside of its data set. It wasn't read.")
    try:
        return content(path, LARGEST_FILE)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}.") from None


def _label(features: Any, library: Any, spec: _hub.Spec) -> str:
    kinds = [name for name, kind in features.items() if isinstance(kind, library.ClassLabel)]
    usual = [name for name in LABELS if name in features]
    if len(kinds) == 1 or (not kinds and usual):
        return str((kinds or usual)[0])
    return str(next((name for name in usual if name in kinds), None) or _only({}, bool, "ClassLabel", spec))


def _only(features: Any, wanted: Any, kind: str, spec: _hub.Spec) -> str:
    found = [name for name, feature in features.items() if wanted(feature)]
    if len(found) != 1:
        raise DataError(f"{spec.name}: {len(found) or 'no single'} column of kind {kind}; say ?image=NAME&label=NAME")
    return str(found[0])


def _items(
    parts: list[tuple[str, Any]], image: str, label: str, names: tuple[str, ...], roots: Sequence[Path]
) -> Iterator[_hub.Item]:
    for ours, part in parts:
        for row in part:
            value = row[label]
            text = names[value] if names and isinstance(value, int | np.integer) else str(value)
            yield _hub.Item(content_of(row[image], roots), text, ours)
