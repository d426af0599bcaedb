"""`tfds/NAME`: TensorFlow Datasets, as `tfds/cats_vs_dogs:train[:80%],train[80%:90%],train[90%:]`.

What was prepared before is found in `?data_dir=PLACE`, `$TFDS_DATA_DIR` or `~/tensorflow_datasets`; the rest the
library fetches. The files of the images are taken as they were put in. See `_hub` for the grammar.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakeoff.data.sources import _hub
from bakeoff.errors import DataError
from bakeoff.protocols import Progress

PRIORITY = 40
LIBRARY = "tensorflow_datasets"


def accepts(path: Path) -> bool:
    """`tfds/NAME`."""
    return _hub.asks(path, "tfds")


def fetch(path: Path, progress: Progress | None = None) -> Path:
    """The images in the cache.

    Raises:
        MissingDependencyError: tensorflow-datasets isn't installed.
        DataError: the library can't give the data set.
    """
    spec = _hub.parse(path, "tfds")
    return _hub.brought("tfds", path, Path(_data_dir(spec)) / spec.name.split("/")[0].split(":")[0], progress)


def _data_dir(spec: _hub.Spec) -> str:
    default = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    return os.path.expanduser(spec.options.get("data_dir", default))


def collect(spec: _hub.Spec) -> _hub.Collected:
    """The images of a builder, prepared if it wasn't; in the order in which they were written."""
    import tensorflow_datasets as tfds

    builder = tfds.builder(spec.name, data_dir=_data_dir(spec))
    builder.download_and_prepare()
    features = builder.info.features
    image = spec.options.get("image") or _named(features, tfds.features.Image, spec)
    label = spec.options.get("label") or _named(features, tfds.features.ClassLabel, spec)
    known = [(name, name) for name in _hub.SPLITS if name in builder.info.splits]
    sides = spec.sides() or (tuple(known) if len(known) > 1 else (("", next(iter(builder.info.splits))),))
    names = tuple(features[label].names)
    num = sum(builder.info.splits[theirs].num_examples for _, theirs in sides)
    return _hub.Collected(names, num, _items(tfds, builder, sides, image, label, names))


def _named(features: Any, kind: type, spec: _hub.Spec) -> str:
    found = [name for name, feature in features.items() if isinstance(feature, kind)]
    if len(found) != 1:
        raise DataError(f"{spec.name}: {len(found)} features of kind {kind.__name__}; name one: ?image=NAME&label=NAME")
    return str(found[0])


def _items(
    tfds: Any, builder: Any, sides: tuple[tuple[str, str], ...], image: str, label: str, names: tuple[str, ...]
) -> Iterator[_hub.Item]:
    for ours, theirs in sides:
        rows = builder.as_dataset(
            split=theirs,
            shuffle_files=False,
            decoders={image: tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
        for row in tfds.as_numpy(rows):
            yield _hub.Item(bytes(row[image]), names[int(row[label])], ours)
