"""Prediction by the CPUs of a cluster: images are read here, the rest is done there, batch by batch, in their order.

A node needs nothing of this machine's disk: the model's files are sent to it. Batches are those of one process, so that
the rows are its rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bakeoff import bundle, runtimes
from bakeoff.data.facts import LINK
from bakeoff.data.images import ahead
from bakeoff.errors import DataError
from bakeoff.evaluation.asking import asking
from bakeoff.evaluation.given import InMemory
from bakeoff.evaluation.opening import open_model
from bakeoff.evaluation.predict import BATCH, TOP, Found, Row, batches_of_rows, counted, given_to
from bakeoff.evaluation.tta import check
from bakeoff.files import workspace
from bakeoff.preprocessing.decode import content, decode
from bakeoff.protocols import Progress
from bakeoff.runtimes import Opened
from bakeoff.system import cpus
from bakeoff.workers import cluster

Sent = tuple[str, Any]
"""The name of an image, and its file's bytes, its pixels, or the error of reading it."""


class Asked(NamedTuple):
    """How a node is to open a model and ask it: as `open_model` and `predict` have it."""

    threads: int | None = None
    trust: bool = False
    top: int = TOP
    dtype: str = "float32"
    tta: str = "none"


def predict_on(
    where: str,
    opened: Opened,
    paths: Sequence[str | os.PathLike[str] | InMemory],
    asked: Asked,
    *,
    follow_links: bool = False,
    say: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Iterator[Row]:
    """What `predict` gives, by the CPUs of a cluster.

    Args:
        where: the cluster, as for `train`.
        opened: the model, which is opened again on the nodes.
        asked: how.
        paths, follow_links, say, progress: as for `predict`.

    Raises:
        UsageError: there is no such cluster; or as `predict`.
    """
    cluster.check(where)
    found = given_to(paths, asked.top, follow_links=follow_links, say=say)
    check(asked.tta)
    return counted(_batches(where, opened, found, asked), len(found.files), progress)


def _batches(where: str, opened: Opened, found: Found, asked: Asked) -> Iterator[list[Row]]:
    with cluster.connected(where):
        common = (_files(opened.path), str(opened.path), asked)
        read = ahead(lambda path: _sent(path, path in found.links), found.files, min(8, cpus()))
        yield from cluster.share_out(_on_a_node, common, iter(lambda: list(islice(read, BATCH)), []))


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
    runtimes.end_by(lambda _: os._exit(1))  # a model that runs without end costs this process, and Ray says so
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
