"""Batches of uint8 pictures, the same bytes in the same order for any number of workers.

The order is a function of (seed, epoch) alone, so an epoch can begin at any batch. Threads decode (Pillow frees the
interpreter), a few batches ahead; what is in memory already costs a copy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff import seeds
from bakeoff.data.pictures import CHUNK, Bad, Pictures, View
from bakeoff.errors import UsageError
from bakeoff.preprocessing import Signature
from bakeoff.schemas import Batch, SplitName

AHEAD = 3  # batches in work, the one that is waited for included


@dataclass(frozen=True, eq=False)
class Split:
    """The pictures of one side.

    Attributes:
        name: train, validation or test.
        indices: int64, (n,), rows of the manifest, ascending.
        labels: int64, (n,), positions in `classes`.
        classes: names.
        pictures: where the pixels come from.
    """

    name: SplitName
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    pictures: Pictures

    def __len__(self) -> int:
        return len(self.indices)

    def batches(
        self,
        *,
        size: tuple[int, int] | None = None,
        batch_size: int = 32,
        seed: int = 0,
        epoch: int = 0,
        workers: int = 2,
        signature: Signature | None = None,
        shuffle: bool = True,
        start: int = 0,
        drop_last: bool = False,
    ) -> Iterator[Batch]:
        """An epoch of batches.

        Args:
            size: (height, width): the whole picture is stretched to it, Pillow's antialiased bilinear. Left out, the
                size that all pictures have.
            batch_size: pictures in a batch; the last may have fewer.
            seed: with `epoch`, decides the order.
            epoch: counted from 0.
            workers: threads that decode; 0 decodes in this one. The batches don't depend on it.
            signature: instead of `size`, how a picture becomes bytes.
            shuffle: False keeps the order of the manifest.
            start: the batch to begin at: what follows is what would have followed.
            drop_last: leave out a last batch that has fewer.

        Raises:
            UsageError: an argument that can't be used.
            BadFilesError: pictures that can't be decoded, when their batch comes.
        """
        _check(batch_size, workers, start)
        view = self.pictures.view(self.signature_for(size, signature))
        order = seeds.permutation(seed, epoch, len(self)) if shuffle else np.arange(len(self))
        stop = len(self) - len(self) % batch_size if drop_last else len(self)
        parts = [order[at : min(at + batch_size, stop)] for at in range(start * batch_size, stop, batch_size)]
        return self._run(view, parts, workers)

    def signature_for(self, size: tuple[int, int] | None, signature: Signature | None = None) -> Signature:
        """The signature that `batches` uses for these arguments."""
        if signature is not None:
            if size is not None and tuple(size) != signature.size:
                raise UsageError(f"size is {size!r}, but the signature's is {signature.size!r}.\nGive one of the two.")
            return signature
        size = size if size is not None else self.pictures.size
        if size is None:
            raise UsageError("the pictures have different sizes.\nGive size=(height, width) or a signature.")
        return Signature(size, channels=self.pictures.channels)

    def _run(self, view: View, parts: list[NDArray[np.int64]], workers: int) -> Iterator[Batch]:
        waiting = iter(parts)
        work: deque[_Pending] = deque()
        pool = ThreadPoolExecutor(workers, "bakeoff-decode") if workers and not view.ready.all() else None
        try:
            while True:
                while len(work) < (AHEAD if pool else 1) and (part := next(waiting, None)) is not None:
                    work.append(_Pending.start(view, self.indices[part], self.labels[part], pool))
                if not work:
                    return
                yield work.popleft().finish()
        finally:
            if pool:
                pool.shutdown(wait=True, cancel_futures=True)


@dataclass(eq=False)
class _Pending:
    """A batch in work."""

    view: View
    records: NDArray[np.int64]
    labels: NDArray[np.int64]
    images: NDArray[np.uint8] | None
    futures: list[Future[list[Bad]]]
    bad: list[Bad]

    @classmethod
    def start(
        cls, view: View, records: NDArray[np.int64], labels: NDArray[np.int64], pool: ThreadPoolExecutor | None
    ) -> _Pending:
        if view.array is None:
            target = images = np.empty((len(records), *view.shape), np.uint8)
            todo, places = records.tolist(), list(range(len(records)))
        else:
            target, images = view.array, None
            todo = places = view.missing(records).tolist()
        pending = cls(view, records, labels, images, [], [])
        for at in range(0, len(todo), CHUNK):
            arguments = target, places[at : at + CHUNK], todo[at : at + CHUNK]
            if pool is None:
                pending.bad += view.fill(*arguments)
            else:
                pending.futures.append(pool.submit(view.fill, *arguments))
        return pending

    def finish(self) -> Batch:
        for future in self.futures:
            self.bad += future.result()
        if self.bad:
            raise self.view.pictures.bad_files(self.bad)
        images = self.images
        if images is None:
            assert self.view.array is not None
            images = self.view.array[self.records]
        return Batch(images, self.labels, self.records)


def _check(batch_size: int, workers: int, start: int) -> None:
    for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0), ("start", start, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise UsageError(f"{name} is {value!r}; expected a whole number, {least} or more.")
