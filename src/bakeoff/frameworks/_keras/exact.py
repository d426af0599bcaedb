"""What TensorFlow computes in less than float64 though all is float64, done exactly: pages say where (`FAULTS`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras.src.backend import random

from bakeoff.ops import page


@contextmanager
def exact(tf: Any, precision: str) -> Iterator[None]:
    """Inside it, and in functions that are traced inside it, float64 is float64; users' code draws in `precision`."""
    changed = [*_exact(tf), (random, "floatx", lambda: precision)]
    before = [(place, name, getattr(place, name)) for place, name, _ in changed]
    for place, name, function in changed:
        setattr(place, name, function)
    try:
        yield
    finally:
        for place, name, function in before:
            setattr(place, name, function)


def _exact(tf: Any) -> list[tuple[Any, str, Any]]:
    """(module, name, what takes its place)."""
    cast, smooth = tf.cast, tf.image.resize

    def number(value: float, like: Any) -> Any:
        return tf.constant(value, like.dtype)

    def gelu(features: Any, approximate: bool = False, name: str | None = None) -> Any:
        if approximate:
            cubed = number(0.044715, features) * features * features * features
            inner = tf.math.tanh(number(0.7978845608028654, features) * (features + cubed))
        else:
            inner = tf.math.erf(features * number(0.7071067811865476, features))
        return number(0.5, features) * features * (number(1.0, features) + inner)

    def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Any:
        return tf.where(features > 0, features, number(alpha, features) * features)

    def cast_exactly(x: Any, dtype: Any, name: str | None = None) -> Any:
        return cast(np.asarray(x) if isinstance(x, float | list | tuple) else x, dtype, name)

    def resize(
        images: Any, size: Any, method: str = "bilinear", *args: Any, antialias: bool = False, **more: Any
    ) -> Any:
        known = images.dtype == tf.float64 and method == "bilinear" and None not in images.shape[1:3]
        if not known or not all(isinstance(side, int) for side in size):
            return smooth(images, size, method, antialias=antialias, **more)
        told = page("resize").Attributes(tuple(size), "bilinear", antialias=antialias)
        return tf.einsum("bhwc,yh,xw->byxc", images, *page("resize").matrices(told, tuple(images.shape)))

    replaced = ((tf.nn, "gelu", gelu), (tf.nn, "leaky_relu", leaky_relu), (tf.image, "resize", resize))
    return [*replaced, (tf, "cast", cast_exactly)]
