"""Batches that are copied to a device while the steps before them run there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from bakeoff.protocols import Feed
from bakeoff.schemas import Batch

BATCHES = 4  # on their way, besides those that the loop holds


def ahead(batches: Iterator[Batch], feed: Feed) -> Iterator[Batch]:
    """The same batches, their images on the device, still bytes; decoded, mixed and copied by a thread."""

    def copied() -> Batch | None:
        batch = next(batches, None)
        return None if batch is None else replace(batch, images=feed.put(batch.images))

    with ThreadPoolExecutor(1, "bakeoff-feed") as pool:
        work: deque[Future[Batch | None]] = deque(pool.submit(copied) for _ in range(BATCHES))
        try:
            while (batch := work.popleft().result()) is not None:
                work.append(pool.submit(copied))
                yield batch
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            getattr(batches, "close", lambda: None)()
