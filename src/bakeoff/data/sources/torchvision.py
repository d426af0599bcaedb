"""`torchvision/NAME`: a class of torchvision.datasets, as `torchvision/MNIST` or `torchvision/EMNIST?split=letters`.

What was downloaded before is found in `?root=PLACE`, `$TORCHVISION_DATA` or the cache; the rest the library fetches
there. Files are taken as they are where the data set names them, other images as pixels.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.data.cache import cache_root
from bakeoff.data.sources import _hub
from bakeoff.errors import DataError
from bakeoff.files import make_folder
from bakeoff.protocols import Progress

PRIORITY = 40
LIBRARY = "torchvision"
_SPLITS = {"train": ("train", "trainval"), "validation": ("val", "valid", "validation"), "test": ("test",)}


def accepts(path: Path) -> bool:
    """`torchvision/NAME`."""
    return _hub.asks(path, "torchvision")


def fetch(path: Path, progress: Progress | None = None) -> Path:
    """The images in the cache.

    Raises:
        MissingDependencyError: torchvision isn't installed.
        DataError: the library can't give the data set.
    """
    return _hub.brought("torchvision", path, Path(_root(_hub.parse(path, "torchvision"))), progress)


def _root(spec: _hub.Spec) -> str:
    default = os.environ.get("TORCHVISION_DATA") or str(cache_root() / "torchvision")
    return os.path.expanduser(spec.options.get("root", default))


def collect(spec: _hub.Spec) -> _hub.Collected:
    """The images of all splits, or of those that are named."""
    from torchvision import datasets  # type: ignore[attr-defined]

    maker = getattr(datasets, spec.name, None)
    if not inspect.isclass(maker):
        near = [name for name in datasets.__all__ if name.lower() == spec.name.lower()]
        raise DataError(f"torchvision.datasets has no {spec.name!r}{f'; did you mean {near[0]!r}?' if near else '.'}")
    parts = list(_parts(maker, spec))
    if not parts:
        raise DataError(f"torchvision.datasets.{spec.name} has none of the splits {', '.join(spec.splits) or 'known'}.")
    names = _names(parts[0][1])
    return _hub.Collected(names, sum(len(made) for _, made in parts), _items(parts, names))


def _parts(maker: Any, spec: _hub.Spec) -> Iterator[tuple[str, Any]]:
    """(our split, the data set) for each."""
    takes = inspect.signature(maker.__init__).parameters
    extra = {key: value for key, value in spec.options.items() if key != "root"}
    if "train" in takes:
        for ours, theirs in spec.sides() or (("train", "train"), ("test", "test")):
            yield ours, _make(maker, spec, {**extra, "train": theirs == "train"})
    elif "split" in takes and "split" not in extra:
        sides = spec.sides() or tuple((ours, theirs) for ours, known in _SPLITS.items() for theirs in known)
        done: set[str] = set()
        for ours, theirs in sides:
            try:
                if ours not in done or spec.splits:
                    yield ours, _make(maker, spec, {**extra, "split": theirs})
                    done.add(ours)
            except ValueError:  # this data set has no such split
                if spec.splits:
                    raise
    else:
        yield "", _make(maker, spec, extra)


def _make(maker: Any, spec: _hub.Spec, options: dict[str, Any]) -> Any:
    """What is on disk, else what the library downloads."""
    root = _root(spec)
    if "download" not in inspect.signature(maker.__init__).parameters:
        return maker(root, **options)
    try:
        return maker(root, download=False, **options)
    except RuntimeError:
        make_folder(Path(root))
        return maker(root, download=True, **options)


def _names(made: Any) -> tuple[str, ...]:
    names = getattr(made, "classes", None) or list(getattr(made, "class_to_idx", {}) or ())
    return tuple(" ".join(name) if isinstance(name, tuple) else str(name) for name in names)


def _items(parts: list[tuple[str, Any]], names: tuple[str, ...]) -> Iterator[_hub.Item]:
    for ours, made in parts:
        files = getattr(made, "samples", None) or getattr(made, "_samples", None)
        for index in range(len(made)):
            if files and isinstance(files[index][0], str | Path):
                content: Any = Path(files[index][0]).read_bytes()
                label = files[index][1]
            else:
                image, label = made[index]
                content = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
            yield _hub.Item(content, names[int(label)] if names else str(int(label)), ours)
