"""Batches of a split as a tf.data.Dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from bakeoff.errors import UsageError
from bakeoff.preprocessing import normalize

if TYPE_CHECKING:
    from bakeoff.data.epochs import Epochs


def dataset(epochs: Epochs, *, dtype: str = "float32") -> Any:
    """(images, labels), each pass the next epoch; see `bakeoff.loaders.for_tensorflow`."""
    if dtype not in ("float32", "uint8"):
        raise UsageError(f"dtype is {dtype!r}; expected float32 (normalised) or uint8 (pixels as they are).")
    shape = (*epochs.signature.size, epochs.signature.channels)
    labels = (
        tf.TensorSpec((None, len(epochs.split.classes)), tf.float32)
        if epochs.wide
        else tf.TensorSpec((None,), tf.int64)
    )

    def batches() -> Iterator[tuple[Any, Any]]:
        for batch in epochs:
            images = batch.images if dtype == "uint8" else normalize(batch.images, epochs.signature, np.float32)
            yield images, batch.labels.astype("float32") if epochs.wide else batch.labels

    made = tf.data.Dataset.from_generator(
        batches, output_signature=(tf.TensorSpec((None, *shape), tf.as_dtype(dtype)), labels)
    )
    return made.apply(tf.data.experimental.assert_cardinality(len(epochs))).prefetch(1)
