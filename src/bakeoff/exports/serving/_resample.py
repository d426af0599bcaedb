"""Pillow's resize of uint8 images in TensorFlow's operators, bit for bit: the same fixed point, passes and order.

A pass gives each output row a weighted sum of input rows: weights of 22 bits after the point, in int32, rounded by half
and clipped to 0 to 255 before the next pass. Centres, supports and weights are worked out in float64 in the order of
`src/libImaging/Resample.c`, the corners of the box in float32. Weights are added up one after the other (`cumsum`).

An image is float-free and never held as numbers of more than a byte: a pass goes over its taps, one row of each output
row at a time, so that a photo of 12 megapixels takes its own size twice and little more.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

BITS = 22  # of a weight, after the point
SUPPORT = {"box": 0.5, "bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}
VERTICAL_FIRST = (13, 0)  # Pillow from here on; before it, very tall images alone
TALL = 100  # times the width


class Cut(NamedTuple):
    """What of a resized image is wanted: tensors or numbers.

    Attributes:
        size: (height, width) that the box is resized to.
        box: (left, top, right, bottom) in the image, float32.
        corner: (top, left) of what is kept of the resized.
    """

    size: tuple[Any, Any]
    box: tuple[Any, Any, Any, Any]
    corner: tuple[Any, Any]


def resample(tf: Any, image: Any, cut: Cut, size: tuple[int, int], name: str, pillow: tuple[int, int]) -> Any:
    """`size` (height, width) of a resized image, uint8 (height, width, C), as Pillow cuts it out of the whole.

    Args:
        tf: TensorFlow.
        image: uint8, (H, W, C).
        cut: the resize.
        size: of what is kept.
        name: of Pillow's filter.
        pillow: the version that is followed.
    """
    shape = tf.shape(image)
    left, top, right, bottom = cut.box
    across = _Axis(shape[1], left, right, cut.size[1], cut.corner[1], size[1])
    down = _Axis(shape[0], top, bottom, cut.size[0], cut.corner[0], size[0])
    if name == "nearest":
        rows = tf.gather(image, _nearest(tf, down), axis=0)
        return tf.gather(rows, _nearest(tf, across), axis=1)

    def horizontal(pixels: Any) -> Any:
        return tf.transpose(_resized(tf, tf.transpose(pixels, (1, 0, 2)), across, name), (1, 0, 2))

    def vertical(pixels: Any) -> Any:
        return _resized(tf, pixels, down, name)

    if pillow >= VERTICAL_FIRST:
        fewer, narrower = shape[0] - cut.size[0], shape[1] - cut.size[1]
        first = tf.logical_and(fewer > 0, fewer > 2 * narrower)
    else:
        first = tf.logical_and(shape[0] > TALL * shape[1], cut.size[0] < shape[0])
    return tf.cond(first, lambda: horizontal(vertical(image)), lambda: vertical(horizontal(image)))


class _Axis(NamedTuple):
    """A side of an image: how long it is, what of it is resized to which length, and what of that is kept."""

    length: Any
    begin: Any
    end: Any
    to: Any
    start: Any
    kept: int


def _resized(tf: Any, pixels: Any, axis: _Axis, name: str) -> Any:
    """The first axis of uint8 (n, m, C) resized; the others stay."""
    end, length = tf.cast(axis.to, tf.float32), tf.cast(axis.length, tf.float32)
    same = tf.reduce_all([tf.equal(axis.begin, 0), tf.equal(tf.cast(axis.end, tf.float32), end), tf.equal(end, length)])
    kept = pixels[axis.start : axis.start + axis.kept]
    return tf.cond(same, lambda: kept, lambda: _weighed(tf, pixels, axis, name))


def _weighed(tf: Any, pixels: Any, axis: _Axis, name: str) -> Any:
    first, weights = _weights(tf, axis, name)
    shape = tf.shape(pixels)
    flat = tf.reshape(pixels, (shape[0], shape[1] * shape[2]))
    total = tf.fill((axis.kept, shape[1] * shape[2]), 1 << (BITS - 1))

    def add(tap: Any, total: Any) -> Any:
        rows = tf.gather(flat, tf.minimum(first + tap, shape[0] - 1))
        return tap + 1, total + tf.cast(rows, tf.int32) * tf.gather(weights, tap)[:, None]

    _, total = tf.while_loop(lambda tap, _: tap < tf.shape(weights)[0], add, (0, total), parallel_iterations=1)
    clipped = tf.clip_by_value(tf.bitwise.right_shift(total, BITS), 0, 255)
    return tf.reshape(tf.cast(clipped, tf.uint8), (axis.kept, shape[1], shape[2]))


def _weights(tf: Any, axis: _Axis, name: str) -> tuple[Any, Any]:
    """The first tap of each output row, int32 (kept,), and the weights of all of its taps, int32 (taps, kept)."""
    begin, length, scale = _scale(tf, axis)
    stretch = tf.maximum(scale, 1.0)
    support = SUPPORT[name] * stretch
    places = tf.cast(axis.start + tf.range(axis.kept), tf.float64)
    centre = begin + (places + 0.5) * scale
    first = tf.maximum(tf.cast(centre - support + 0.5, tf.int32), 0)
    count = tf.minimum(tf.cast(centre + support + 0.5, tf.int32), length) - first
    taps = tf.range(tf.reduce_max(count))[:, None]
    found = _FILTERS[name](tf, (tf.cast(taps + first, tf.float64) - centre + 0.5) * (1.0 / stretch))
    found = tf.where(taps < count, found, tf.zeros_like(found))
    whole = tf.cumsum(found)[-1]
    found = tf.where(whole != 0.0, found / whole, found) * (1 << BITS)
    return first, tf.cast(found + tf.where(found < 0.0, tf.constant(-0.5, tf.float64), 0.5), tf.int32)


def _scale(tf: Any, axis: _Axis) -> tuple[Any, Any, Any]:
    """Where the box begins, how long the side is, and how many of its pixels there are for each of the result."""
    begin, end = (tf.cast(one, tf.float32) for one in (axis.begin, axis.end))
    return tf.cast(begin, tf.float64), axis.length, tf.cast(end - begin, tf.float64) / tf.cast(axis.to, tf.float64)


def _nearest(tf: Any, axis: _Axis) -> Any:
    """Where each pixel of the result lies: the step is added once a pixel, with its rounding."""
    begin, length, scale = _scale(tf, axis)
    steps = tf.fill((axis.start + axis.kept - 1,), scale)
    places = tf.cast(tf.cumsum(tf.concat([(begin + scale * 0.5)[None], steps], 0)), tf.int32)
    return tf.minimum(places[axis.start :], length - 1)


def _box(tf: Any, x: Any) -> Any:
    return tf.cast(tf.logical_and(x > -0.5, x <= 0.5), tf.float64)


def _bilinear(tf: Any, x: Any) -> Any:
    return tf.maximum(1.0 - tf.abs(x), 0.0)


def _bicubic(tf: Any, x: Any) -> Any:
    x = tf.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
    return tf.where(x < 1.0, near, tf.where(x < 2.0, far, tf.zeros_like(x)))


def _lanczos(tf: Any, x: Any) -> Any:
    found = _sinc(tf, x) * _sinc(tf, x / 3.0)
    return tf.where(tf.logical_and(x >= -3.0, x < 3.0), found, tf.zeros_like(x))


def _sinc(tf: Any, x: Any) -> Any:
    x = x * math.pi
    return tf.where(x == 0.0, tf.ones_like(x), tf.sin(x) / tf.where(x == 0.0, tf.ones_like(x), x))


_FILTERS = {"box": _box, "bilinear": _bilinear, "bicubic": _bicubic, "lanczos": _lanczos}
