"""Batches of uint8 images, the same bytes in the same order for any number of workers.

Order and augmentation are functions of (seed, epoch, record) alone, so an epoch can begin at any batch. Threads decode
(Pillow frees the interpreter) into arrays that are made once and used again, a few batches ahead of the one that is
waited for; what is in memory already costs a copy.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff import seeds
from bakeoff.data.augment import Augmentation, Mix
from bakeoff.data.images import CHUNK, Bad, Images, Keep, View
from bakeoff.data.share import Share
from bakeoff.errors import UsageError
from bakeoff.preprocessing import Signature
from bakeoff.schemas import Batch, Brief, SplitName

AHEAD = 3  # batches in work, the one that is waited for included
ANNOUNCED = 256  # images that a storage far away is told of before they are needed
COMPUTED = 4096  # positions of an order at a time
COPIED_BYTES = 1 << 19  # batches of less are copied by who asks: a thread would cost more than the copy


_Part = tuple[int, NDArray[np.int64]]


@dataclass(frozen=True, eq=False, repr=False)
class Split(Brief):
    """The images of one split.

    Attributes:
        name: train, validation or test.
        indices: int64, (n,), rows of the manifest, ascending.
        labels: int64, (n,), positions in `classes`; where images may have several, uint8, (n, classes), of 0 and 1.
        classes: names.
        images: where the pixels come from.
    """

    name: SplitName
    indices: NDArray[np.int64]
    labels: NDArray[Any]
    classes: tuple[str, ...]
    images: Images

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
        augment: Augmentation | str | None = None,
        cache: Keep = "auto",
        order: NDArray[np.int64] | None = None,
        share: Share | None = None,
    ) -> Iterator[Batch]:
        """An epoch of batches.

        Args:
            size: (height, width): the whole image is stretched to it, Pillow's antialiased bilinear. Left out, the
                size that all images have.
            batch_size: images in a batch; the last may have fewer.
            seed: with `epoch`, decides the order, and the augmentation of each image.
            epoch: counted from 0.
            workers: threads that decode; 0 decodes in this one. The batches don't depend on it.
            signature: instead of `size`, how an image becomes bytes.
            shuffle: False keeps the order of the manifest.
            start: the batch to begin at: what follows is what would have followed; nothing before it is decoded.
            drop_last: leave out a last batch that has fewer.
            augment: a preset's name, or what `bakeoff.data.augment.augmentation` gives.
            cache: where decoded images are kept: `auto` (in memory, where they don't fit there on disk), `memory`,
                `disk` or `none`.
            order: positions in the split, instead of the drawn order: some may come twice, others not at all.
            share: what one of several workers takes; None: all.

        Raises:
            UsageError: an argument that can't be used.
            BadFilesError: images that can't be decoded, when their batch comes.
        """
        _check(batch_size, workers, start)
        view = self.images.view(self.signature_for(size, signature), cache)
        if order is None:
            order = seeds.permutation(seed, epoch, len(self)) if shuffle else np.arange(len(self))
        assert order is not None
        stop = len(order) - len(order) % batch_size if drop_last else len(order)
        parts = _parts(order, start * batch_size, stop, batch_size)
        if isinstance(augment, str):
            augment = Augmentation.preset(augment)
        change = None if augment is None or not augment.operations else augment
        late = share is not None and change is not None and bool(change.mixes)
        if share is not None:
            parts = share.of(parts, whole=late)
        most = max(0, min(batch_size, stop - start * batch_size))
        found = _Epoch(self, view, change, seed, epoch, workers, most).run(parts)
        return (_cut(batch, share) for batch in found) if late and share is not None else found

    def signature_for(self, size: tuple[int, int] | None, signature: Signature | None = None) -> Signature:
        """The signature that `batches` uses for these arguments."""
        if signature is not None:
            if size is not None and tuple(size) != signature.size:
                raise UsageError(f"size is {size!r}, but the signature's is {signature.size!r}.\nGive one of the two.")
            return signature
        size = size if size is not None else self.images.size
        if size is None:
            raise UsageError("the images have different sizes.\nGive size=(height, width) or a signature.")
        return Signature(size, channels=self.images.channels)


def _cut(batch: Batch, share: Share) -> Batch:
    piece = share.piece(len(batch.records))
    return Batch(batch.images[piece], batch.labels[piece], batch.records[piece])


class _Buffers:
    """Arrays for batches: one that nobody holds any more is used again, so that its memory is there already."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.held = shape, [np.empty((0, *shape), np.uint8)][:0]

    def get(self, count: int) -> NDArray[np.uint8]:
        for array in self.held:
            # Held by the list, by `array` and by the call alone: no batch, view or tensor refers to it.
            if len(array) == count and sys.getrefcount(array) <= 3:
                return array
        self.held = [*self.held[-AHEAD - 2 :], np.empty((count, *self.shape), np.uint8)]
        return self.held[-1]


@dataclass(eq=False)
class _Epoch:
    """One pass over a split."""

    split: Split
    view: View
    augment: Augmentation | None
    seed: int
    epoch: int
    workers: int
    most: int  # images in a batch; 0: there is none

    def run(self, parts: Iterator[_Part]) -> Iterator[Batch]:
        """The batches of these (number, positions in the split)."""
        waiting = self._announced(parts)
        work: deque[_Pending] = deque()
        pool = self._pool()
        buffers = _Buffers(self.view.shape)
        try:
            while True:
                while len(work) < (AHEAD if pool else 1) and (part := next(waiting, None)) is not None:
                    work.append(self._start(*part, buffers, pool))
                if not work:
                    return
                yield work.popleft().finish()
        finally:
            if pool:
                pool.shutdown(wait=True, cancel_futures=True)
            self.view.save()

    def _announced(self, parts: Iterator[_Part]) -> Iterator[_Part]:
        """The same, of which a storage far away is told while others are in work."""
        store = self.view.images.table.store
        if store is None or not store.ranges.distant:
            yield from parts
            return
        told: deque[_Part] = deque()
        for part in parts:
            store.ahead(self.view.missing(self.split.indices[part[1]]))
            told.append(part)
            if len(told) * self.most >= ANNOUNCED:
                yield told.popleft()
        yield from told

    def _pool(self) -> ThreadPoolExecutor | None:
        """Threads where there is work for them."""
        if not self.workers or not self.most:
            return None
        light = self.most * int(np.prod(self.view.shape)) < COPIED_BYTES
        if light and self.augment is None and not len(self.view.missing(self.split.indices)):
            return None
        return ThreadPoolExecutor(self.workers, "bakeoff-decode")

    def _start(
        self, number: int, part: NDArray[np.int64], buffers: _Buffers, pool: ThreadPoolExecutor | None
    ) -> _Pending:
        records, labels = self.split.indices[part], self.split.labels[part]
        mix = None if self.augment is None else self.augment.mix(self.seed, self.epoch, number, len(self.split.classes))
        pending = _Pending(self.view.images, records, labels, buffers.get(len(records)), mix)
        if self.augment is not None:
            pending.submit(pool, self._augmented, np.arange(len(records)))
            return pending
        there = self.view.has(records)
        if there.any():
            pending.submit(pool, self.view.take, np.flatnonzero(there), together=pool is None)
        if not there.all():
            pending.submit(pool, self.view.take, np.flatnonzero(~there))
        return pending

    def _augmented(self, images: NDArray[np.uint8], places: NDArray[np.int64], records: NDArray[np.int64]) -> list[Bad]:
        assert self.augment is not None
        return self.augment.fill(self.view, images, places, records, seed=self.seed, epoch=self.epoch)


def _parts(order: Any, first: int, stop: int, batch_size: int) -> Iterator[_Part]:
    """(number, positions in the split) of each batch; an order that is computed is so for many batches at once."""
    block = batch_size * max(1, COMPUTED // batch_size)
    for begin in range(first, stop, block):
        some = order[begin : min(begin + block, stop)]
        for at in range(0, len(some), batch_size):
            yield (begin + at) // batch_size, some[at : at + batch_size]


_Work = Callable[[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]], list[Bad]]


class _Pending:
    """A batch in work."""

    def __init__(
        self,
        source: Images,
        records: NDArray[np.int64],
        labels: NDArray[Any],
        images: NDArray[np.uint8],
        mix: Mix | None,
    ) -> None:
        self.source, self.records, self.labels, self.images, self.mix = source, records, labels, images, mix
        self.futures: list[Future[list[Bad]]] = []
        self.bad: list[Bad] = []

    def submit(
        self, pool: ThreadPoolExecutor | None, work: _Work, places: NDArray[np.int64], *, together: bool = False
    ) -> None:
        """Have `work` done on these places of the batch, a chunk of images at a time."""
        chunk = len(places) if together else CHUNK
        for at in range(0, len(places), chunk):
            some = places[at : at + chunk]
            if pool is None:
                self.bad += work(self.images, some, self.records[some])
            else:
                self.futures.append(pool.submit(work, self.images, some, self.records[some]))

    def finish(self) -> Batch:
        for future in self.futures:
            self.bad += future.result()
        if self.bad:
            raise self.source.bad_files(self.bad)
        images, labels = self.images, self.labels
        if self.mix is not None:
            images, labels = self.mix(images, labels)
        return Batch(images, labels, self.records)


def _check(batch_size: int, workers: int, start: int) -> None:
    for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0), ("start", start, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise UsageError(f"{name} is {value!r}; expected a whole number, {least} or more.")
