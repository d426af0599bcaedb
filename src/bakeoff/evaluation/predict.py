"""From image files to labels with probabilities, in the order in which they came.

Files are read, prepared and normalised in threads, a few batches ahead of the model. A file that is no image gets a
row with `error`; the others go on.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.facts import LINK
from bakeoff.data.sources import shards
from bakeoff.data.sources.folder import images_below
from bakeoff.errors import DataError, UsageError
from bakeoff.evaluation.asking import Ask, asking, row
from bakeoff.evaluation.given import InMemory
from bakeoff.evaluation.tta import check
from bakeoff.preprocessing import SUFFIXES, Signature, decode, prepare
from bakeoff.protocols import Progress, Table
from bakeoff.runtimes import Opened
from bakeoff.system import cpus

TOP = 5
BATCH = 32
AHEAD = 4  # batches that are read before they are needed

Row = dict[str, Any]
"""`path` and either `label`, `probability`, `top` ([[label, probability], ...], the most probable first) or `error`.

Of a model that tells images of no class also `unknown` (whether this is one) and `similarity` (to the nearest class).
Of a model for several labels: `labels` ([[label, probability], ...], all from the threshold on, the most probable
first; maybe none), `threshold` and `top` in the place of `label`, `probability` and `top`.
"""

Read = tuple[Path | InMemory, Future[NDArray[np.uint8]]]


class Found(NamedTuple):
    """Files to predict, those among them that are links which aren't followed, and what isn't used, a line each."""

    files: list[Path | InMemory]
    links: frozenset[Path]
    unused: tuple[str, ...]


def find_images(given: Sequence[str | os.PathLike[str] | InMemory], *, follow_links: bool = False) -> Found:
    """The files to predict: files as given, folders at any depth by name, by the rules of `data.sources.folder`; images
    in memory as they are; of shards each image.

    Raises:
        UsageError: nothing was given.
        DataError: a folder without images.
    """
    if not given:
        raise UsageError("no image was given. Name files or folders.")
    found = Found([], frozenset(), ())
    for one in given:
        if isinstance(one, InMemory):
            found.files.append(one)
            continue
        path = Path(one)
        if (table := shards.stored(path)) is not None:
            names = (f"{one}/{name}" for name in table.paths)
            found.files.extend(InMemory(name, partial(_stored, table, row)) for row, name in enumerate(names))
            continue
        below, links, unused = images_below(path, follow_links=follow_links) if path.is_dir() else ([path], (), ())
        if not below:
            known = f"{'; '.join(unused)}\n" if unused else ""
            raise DataError(f"{path}: no images in this folder. {known}Known suffixes: {', '.join(sorted(SUFFIXES))}")
        told = (f"{path}: {line}" for line in unused)
        found = Found([*found.files, *map(Path, below)], found.links | set(map(Path, links)), (*found.unused, *told))
    return found


def _stored(table: Table, row: int) -> Any:
    """An image of shards: bytes, or a Pillow image of what was an array."""
    if table.store is not None:
        return table.store.read(row)
    from PIL import Image

    assert table.pixels is not None
    image = table.pixels[row]
    return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image)


def predict(
    opened: Opened,
    paths: Sequence[str | os.PathLike[str] | InMemory],
    *,
    top: int = TOP,
    workers: int | None = None,
    batch_size: int = BATCH,
    dtype: str = "float32",
    tta: str = "none",
    follow_links: bool = False,
    say: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Iterator[Row]:
    """A row an image, as soon as its batch is done.

    Args:
        opened: a model with its signature and class names.
        paths: files, folders and images in memory.
        top: how many classes a row lists.
        workers: threads that read; the cores, at most 8, if left out.
        batch_size: images a call of the model.
        dtype: of the model's input.
        tta: `flip` averages over each image and its mirror image, whatever runs the model.
        follow_links: in folders; a path that is given may always be a link.
        say: told what of the folders isn't used, a line each.
        progress: called with (done, total).

    Raises:
        UsageError: nothing to predict, or `top` below 1.
        DataError: a folder without images.
        BakeoffError: the model gives numbers that aren't finite.
    """
    found = given_to(paths, top, follow_links=follow_links, say=say)
    ask = asking(opened, dtype, check(tta))
    batches = batches_of_rows(opened, found, top, workers or min(8, cpus()), batch_size, ask)
    return counted(batches, len(found.files), progress)


def given_to(
    paths: Sequence[str | os.PathLike[str] | InMemory],
    top: int,
    *,
    follow_links: bool,
    say: Callable[[str], None] | None,
) -> Found:
    """What `predict` is to do, as far as it can be done; what isn't used is said."""
    if top < 1:
        raise UsageError(f"top is {top}; expected 1 or more.")
    found = find_images(paths, follow_links=follow_links)
    for line in found.unused if say else ():
        cast(Callable[[str], None], say)(line)
    return found


def counted(batches: Iterable[list[Row]], total: int, progress: Progress | None) -> Iterator[Row]:
    """The rows of batches, after each of which it is said how many are done."""
    done = 0
    for rows in batches:
        yield from rows
        done += len(rows)
        if progress:
            progress(done, total)


def batches_of_rows(
    opened: Opened, found: Found, top: int, workers: int, batch_size: int, ask: Ask
) -> Iterator[list[Row]]:
    """The rows of each batch."""
    waiting = iter(found.files)
    work: deque[Read] = deque()
    pool = ThreadPoolExecutor(workers, "bakeoff-decode")
    try:
        while True:
            while len(work) < AHEAD * batch_size and (path := next(waiting, None)) is not None:
                work.append((path, pool.submit(_prepared, path, opened.signature, path in found.links)))
            if not work:
                return
            batch = [work.popleft() for _ in range(min(batch_size, len(work)))]
            yield list(_batch(opened, batch, top, ask))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _batch(opened: Opened, batch: list[Read], top: int, ask: Ask) -> Iterator[Row]:
    read = [(path, *_result(future)) for path, future in batch]
    images = [image for _, image, _ in read if image is not None]
    shares, near = ask(np.stack(images)) if images else (np.zeros(0), None)
    place = 0
    for path, image, reason in read:
        if image is None:
            yield {"path": str(path), "error": reason}
        else:
            yield {"path": str(path), **row(opened, shares[place], None if near is None else near[place], top)}
            place += 1


def _prepared(path: Path | InMemory, signature: Signature, link: bool) -> NDArray[np.uint8]:
    if link:
        raise DataError(LINK.reason)
    if not isinstance(path, InMemory):
        return prepare(path, signature)
    given = path.content()
    return prepare(given if isinstance(given, bytes) else decode(given), signature)  # pixels follow the rules of files


def _result(future: Future[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8] | None, str]:
    try:
        return future.result(), ""
    except DataError as error:
        return None, str(error)
    except OSError as error:
        return None, (error.strerror or "can't be read").lower()
