"""Prediction by the CPUs of a cluster: images are read here, the rest is done there, batch by batch, in their order.

A node needs nothing of this machine's disk: the model's files are sent to it. Batches are those of one process, so that
the rows are its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import bundle
from bakeoff.data.facts import LINK
from bakeoff.data.images import ahead
from bakeoff.errors import DataError
from bakeoff.evaluation.asking import asking
from bakeoff.evaluation.given import InMemory
from bakeoff.evaluation.opening import open_model
from bakeoff.evaluation.predict import Asked, Found, Row, batches_of_rows
from bakeoff.files import workspace
from bakeoff.preprocessing.decode import content, decode
from bakeoff.runtimes import Opened
from bakeoff.workers import cluster

Sent = tuple[str, Any]
"""The name of an image, and its file's bytes, its pixels, or the error of reading it."""


def shared_out(
    opened: Opened, found: Found, asked: Asked, readers: int, batch_size: int, where: str
) -> Iterator[list[Row]]:
    """The rows of each batch, by the CPUs of the cluster.

    Args:
        readers: threads that read files here.
        where: the cluster.
    """
    with cluster.connected(where):
        common = (_files(opened.path), str(opened.path), asked)
        read = ahead(lambda path: _sent(path, path in found.links), found.files, readers)
        yield from cluster.share_out(_on_a_node, common, iter(lambda: list(islice(read, batch_size)), []))


def _files(model: Path) -> dict[str, bytes]:
    """What a model is made of, by the names below its own."""
    whole = bundle.folder_of(model) or model
    paths = sorted(path for path in whole.rglob("*") if path.is_file()) if whole.is_dir() else [whole]
    return {path.relative_to(whole.parent).as_posix(): path.read_bytes() for path in paths}


def _sent(path: Path | InMemory, link: bool) -> Sent:
    try:
        if link:
            raise DataError(LINK.reason)
        given = path.content() if isinstance(path, InMemory) else content(path)
        return str(path), given if isinstance(given, bytes) else np.asarray(decode(given))
    except (DataError, OSError) as error:
        return str(path), error


def _on_a_node(common: tuple[dict[str, bytes], str, Asked]) -> Callable[[list[Sent]], list[Row]]:
    files, name, asked = common
    with workspace("model") as folder:
        for below, content in files.items():
            (folder / below).parent.mkdir(parents=True, exist_ok=True)
            (folder / below).write_bytes(content)
        opened = open_model(folder / next(iter(files)).partition("/")[0], asked.threads, asked.trust)
    opened = replace(opened, path=Path(name))
    ask = asking(opened, asked.dtype, asked.tta)

    def rows(batch: list[Sent]) -> list[Row]:
        given: list[Path | InMemory] = [InMemory(name, partial(_given, sent)) for name, sent in batch]
        (found,) = batches_of_rows(opened, Found(given, frozenset(), ()), asked.top, 1, len(given), ask)
        return found

    return rows


def _given(sent: Any) -> Any:
    if isinstance(sent, Exception):
        raise sent
    if isinstance(sent, bytes):
        return sent
    from PIL import Image

    return Image.fromarray(sent)
