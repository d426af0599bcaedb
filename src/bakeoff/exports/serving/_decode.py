"""Pixels of image files in TensorFlow's decoders, equal to Pillow's under the rules of `preprocessing.decode`.

libjpeg gives the same bytes where TensorFlow is told to use the accurate inverse transform. Every decoder is told how
many channels it gives: left to itself, the one for WebP writes beyond its memory.
"""

from __future__ import annotations

from typing import Any

from bakeoff.exports.serving._look import KINDS, Look
from bakeoff.exports.serving._words import byte, either, length_of, part

RATIOS = (1, 2, 4, 8)  # that libjpeg divides the sides of an image by


def pixels(tf: Any, content: Any, seen: Look, ratio: Any = None) -> Any:
    """The image as uint8 (H, W, 3), not yet turned; alpha lies on white.

    Args:
        tf: TensorFlow.
        content: the file, a scalar of strings.
        seen: what its header says.
        ratio: a JPEG is decoded at 1/ratio of its size, a scalar among `RATIOS`; None: at its size.

    Raises:
        tf.errors.InvalidArgumentError: as it runs: the file is refused or damaged; the first with the reason.
    """
    by_kind = {
        "JPEG": lambda: _jpeg(tf, content, ratio),
        "PNG": lambda: _png(tf, content, seen),
        "WebP": lambda: _webp(tf, content, seen),
        "GIF": lambda: _gif(tf, content, seen),
        "BMP": lambda: tf.io.decode_bmp(content, channels=3),
        "refused": lambda: _refused(tf, seen),
    }
    return tf.ensure_shape(tf.switch_case(seen.kind, [by_kind[kind] for kind in KINDS]), (None, None, 3))


def turned(tf: Any, image: Any, orientation: Any) -> Any:
    """The image (H, W, C) turned and mirrored as EXIF's orientation 1 to 8 says."""
    across = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    for axis, numbers in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
        across = _mirrored(tf, across, axis, tf.reduce_any([orientation == one for one in numbers]))
    return across


def _mirrored(tf: Any, image: Any, axis: int, wanted: Any) -> Any:
    return tf.cond(wanted, lambda: tf.reverse(image, [axis]), lambda: image)


def _refused(tf: Any, seen: Look) -> Any:
    with tf.control_dependencies([tf.debugging.Assert(seen.reason == "", [seen.reason])]):
        return tf.zeros((1, 1, 3), tf.uint8)


def _jpeg(tf: Any, content: Any, ratio: Any) -> Any:
    def at(ratio: int) -> Any:
        return tf.io.decode_jpeg(content, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    if ratio is None:
        return at(1)
    place = tf.reduce_sum([tf.cast(ratio >= one, tf.int32) for one in RATIOS[1:]])
    return tf.switch_case(place, [lambda one=one: at(one) for one in RATIOS])


def _png(tf: Any, content: Any, seen: Look) -> Any:
    """8 bits; of 16, grey is divided by 257 and rounded, of colours the high byte is taken."""

    def deep() -> Any:
        wide = tf.cast(tf.io.decode_png(content, channels=4, dtype=tf.uint16), tf.int32)
        return tf.cast(either(tf, seen.variant == 3, (wide + 128) // 257, wide // 256), tf.uint8)

    def clear() -> Any:
        return tf.io.decode_png(content, channels=4)

    def opaque() -> Any:
        return tf.io.decode_png(content, channels=3)

    return tf.cond(seen.variant == 0, opaque, lambda: _on_white(tf, tf.cond(seen.variant == 1, clear, deep)))


def _webp(tf: Any, content: Any, seen: Look) -> Any:
    def decoded(channels: int) -> Any:
        return tf.io.decode_webp(content, channels=channels)[0]

    return tf.cond(seen.variant > 0, lambda: _on_white(tf, decoded(4)), lambda: decoded(3))


def _gif(tf: Any, content: Any, seen: Look) -> Any:
    """The first image; its transparent colour is made white, and no longer transparent."""

    def patched() -> Any:
        flags = tf.bitwise.bitwise_and(byte(tf, content, seen.control + 3), 0xFE)
        opaque = tf.gather(tf.constant([bytes([value]) for value in range(256)]), flags)
        cuts = sorted_parts(tf, content, [(seen.patch, 3, b"\xff\xff\xff"), (seen.control + 3, 1, opaque)])
        return tf.strings.join(cuts)

    whole = tf.cond(seen.patch >= 0, patched, lambda: content)
    return tf.io.decode_image(whole, channels=3, expand_animations=False)


def sorted_parts(tf: Any, content: Any, changes: list[tuple[Any, int, Any]]) -> list[Any]:
    """The parts of a file with two changes in it, (place, size, what stands there then), whichever comes first."""
    (one, one_size, first), (two, two_size, second) = changes
    before = one < two
    low, high = tf.minimum(one, two), tf.maximum(one, two)
    low_size = either(tf, before, tf.constant(one_size, tf.int64), two_size)
    high_size = either(tf, before, tf.constant(two_size, tf.int64), one_size)
    return [
        part(tf, content, 0, low),
        either(tf, before, first, second),
        part(tf, content, low + low_size, high - low - low_size),
        either(tf, before, second, first),
        part(tf, content, high + high_size, length_of(tf, content)),
    ]


def _on_white(tf: Any, image: Any) -> Any:
    """uint8 (H, W, 4) onto white, by Pillow's rounding."""

    def blended() -> Any:
        alpha = tf.cast(image[..., 3:], tf.int32)
        wide = 255 * (255 - alpha) + tf.cast(image[..., :3], tf.int32) * alpha + 128
        return tf.cast(tf.bitwise.right_shift(tf.bitwise.right_shift(wide, 8) + wide, 8), tf.uint8)

    return tf.cond(tf.reduce_all(image[..., 3] == 255), lambda: image[..., :3], blended)
