"""The input pipeline that TensorFlow's users write: tf.data, decoded in its own threads, batches ready ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bakeoff.preprocessing import Signature, scale_and_offset
from bakeoff.schemas import Array
from bakeoff.seeds import key

FILTERS = {"nearest": "nearest", "box": "area", "bilinear": "bilinear", "bicubic": "bicubic", "lanczos": "lanczos3"}

CACHED = 1 << 30  # bytes of decoded images that are kept in memory, as TensorFlow's own guide advises
SHUFFLED = 10_000  # images among which the next one is drawn


def batches(
    sources: Sequence[Path] | Array, labels: Array, signature: Signature, *, batch_size: int, flip: bool, workers: int
) -> Iterator[tuple[Array, Array]]:
    """Normalised batches (N, H, W, C) and labels; epoch after epoch, shuffled. See the torch side for the arguments."""
    scale, offset = scale_and_offset(signature, "float32")
    seed = key(0, "input pipeline") % 2**31

    def numbers(images: Any, wanted: Any) -> Any:
        images = tf.cast(images, tf.float32) * scale + offset
        return (tf.image.random_flip_left_right(images, seed) if flip else images), wanted

    held = isinstance(sources, np.ndarray)
    given = sources if held else [str(path) for path in sources]
    data = tf.data.Dataset.from_tensor_slices((given, np.asarray(labels)))
    if not held:
        data = data.map(lambda path, wanted: (_decoded(path, signature), wanted), num_parallel_calls=workers)
        bytes_each = signature.size[0] * signature.size[1] * signature.channels
        data = data.cache() if bytes_each * len(labels) <= CACHED else data
    data = data.shuffle(min(len(labels), SHUFFLED), seed).repeat().batch(batch_size)
    data = data.map(numbers, num_parallel_calls=workers).prefetch(tf.data.AUTOTUNE)
    options = tf.data.Options()
    options.threading.private_threadpool_size = workers
    for images, wanted in data.with_options(options):
        yield images.numpy(), wanted.numpy()


def _decoded(path: Any, signature: Signature) -> Any:
    """uint8 (H, W, C) of a file."""
    image = tf.io.decode_image(tf.io.read_file(path), channels=signature.channels, expand_animations=False)
    image.set_shape((None, None, signature.channels))
    height, width = signature.size
    target: Any = (height, width)
    if signature.fit == "crop":
        short, sides = signature.resize_to or max(height, width), tf.shape(image)[:2]
        target = sides * short // tf.reduce_min(sides)
    image = tf.image.resize(image, target, FILTERS[signature.resize], antialias=True)
    if signature.fit == "crop":
        image = tf.image.resize_with_crop_or_pad(image, height, width)
    return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)
