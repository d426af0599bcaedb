"""Predictions of images whose labels are known, in batches as a loader gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from bakeoff.schemas import Array, Batch, Predictions

Ask = Callable[[Array], Array]


def predictions_of(
    batches: Iterable[Batch], prepare: Callable[[Batch], Array], asks: Sequence[Ask], seen: Callable[[int], None]
) -> list[Predictions]:
    """What each of `asks` says of the images, which are read and prepared once.

    Args:
        prepare: gives a batch as the net's input.
        asks: from that to logits.
        seen: told after each batch how many images are done.
    """
    logits: list[list[Array]] = [[] for _ in asks]
    labels, records, done = [], [], 0
    for batch in batches:
        images = prepare(batch)
        for ask, found in zip(asks, logits, strict=True):
            found.append(ask(images))
        labels.append(batch.labels)
        records.append(batch.records)
        done += len(batch.labels)
        seen(done)
    truth, rows = np.concatenate(labels), np.concatenate(records)
    return [Predictions(np.concatenate(found), truth, rows) for found in logits]
