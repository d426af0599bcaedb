"""`predict --url`: the images of a command line, answered by a server."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bakeoff.data.facts import LINK
from bakeoff.errors import DataError
from bakeoff.evaluation.given import InMemory
from bakeoff.evaluation.predict import Found
from bakeoff.files import regular
from bakeoff.serving.client import Remote, row

AT_ONCE = 8


def _content(path: Path | InMemory) -> bytes:
    if isinstance(path, InMemory):  # of shards
        given = path.content()
        if not isinstance(given, bytes):
            raise DataError("pixels of an array, which no server takes: write the data as images")
        return given
    with regular(path) as file:
        return file.read()


def rows(remote: Remote, found: Found, top: int, progress: Callable[[int, int], None]) -> Iterator[dict[str, Any]]:
    """A row an image, in order, as `evaluation.predict` has it."""

    def ask(path: Path | InMemory) -> dict[str, Any]:
        try:
            if path in found.links:
                raise DataError(LINK.reason)
            content = _content(path)
            return {"path": str(path), **row(remote, remote.ask(content), top)}
        except DataError as error:
            return {"path": str(path), "error": str(error)}
        except OSError as error:
            return {"path": str(path), "error": (error.strerror or "can't be read").lower()}

    waiting, done = iter(found.files), 0
    work: deque[Future[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(AT_ONCE, "bakeoff-ask") as pool:
        while True:
            while len(work) < 2 * AT_ONCE and (path := next(waiting, None)) is not None:
                work.append(pool.submit(ask, path))
            if not work:
                return
            yield work.popleft().result()
            progress(done := done + 1, len(found.files))
