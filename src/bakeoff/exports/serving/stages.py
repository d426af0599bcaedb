"""From the bytes of a file to a net's input under a signature, in TensorFlow's operators: `preprocessing.pixels` again.

How large an image becomes before the cut is worked out in whole numbers, as there; what is cut off is never resized.
"""

from __future__ import annotations

from typing import Any

from bakeoff.exports.serving._decode import RATIOS, pixels, turned
from bakeoff.exports.serving._look import Look, look
from bakeoff.exports.serving._resample import Cut, resample
from bakeoff.exports.serving._words import either
from bakeoff.preprocessing import LARGEST_PIXELS, Signature, scale_and_offset
from bakeoff.preprocessing.pixels import GAP

Pair = tuple[Any, Any]
LUMA = (19595, 38470, 7471)  # Pillow's, of 65,536


def prepared(tf: Any, content: Any, signature: Signature, pillow: tuple[int, int] | None = None) -> Any:
    """A file as the model's bytes: uint8 (height, width, channels), equal to `preprocessing.prepare`.

    Args:
        tf: TensorFlow.
        content: the file, a scalar of strings.
        signature: mean and std are not applied.
        pillow: the version whose resize is followed; None: the one that is installed, which training used.

    Raises:
        tf.errors.InvalidArgumentError: as it runs: the file is refused or damaged.
    """
    seen = look(tf, content)
    ratio = _ratio(tf, seen, signature) if signature.scaled_decode else None
    image = turned(tf, pixels(tf, content, seen, ratio), seen.orientation)
    image = with_channels(tf, image, signature.channels)
    cut = _cut(tf, image, seen, ratio, signature)
    size = signature.size
    return tf.ensure_shape(
        resample(tf, image, cut, size, signature.resize, pillow or installed()), (*size, signature.channels)
    )


def normalized(tf: Any, images: Any, signature: Signature) -> Any:
    """float32 of uint8 images (..., height, width, channels): `preprocessing.normalize` again."""
    scale, offset = scale_and_offset(signature)
    if signature.channel_order == "BGR":
        images = tf.reverse(images, [-1])
    return tf.cast(images, tf.float32) * tf.constant(scale) + tf.constant(offset)


def installed() -> tuple[int, int]:
    """The version of Pillow: (major, minor)."""
    import PIL

    major, minor, *_ = PIL.__version__.split(".")
    return int(major), int(minor)


def with_channels(tf: Any, image: Any, channels: int) -> Any:
    """uint8 (H, W, 3), or (H, W, 1) by the luma of ITU-R 601-2; what is grey stays as it is."""
    if channels == 3:
        return image
    parts = [tf.cast(image[..., place], tf.int32) * weight for place, weight in enumerate(LUMA)]
    wide = parts[0] + parts[1] + parts[2] + 0x8000
    return tf.cast(tf.bitwise.right_shift(wide, 16), tf.uint8)[..., None]


def _oriented(tf: Any, seen: Look, height: Any, width: Any) -> Pair:
    across = seen.orientation >= 5
    return either(tf, across, width, height), either(tf, across, height, width)


def _ratio(tf: Any, seen: Look, signature: Signature) -> Any:
    """What Pillow's `draft` would divide a JPEG's sides by; 1 of other kinds."""
    size = _before_cut(tf, _oriented(tf, seen, seen.height, seen.width), signature)
    height, width = _oriented(tf, seen, *(GAP * tf.cast(side, tf.int64) for side in size))
    most = tf.minimum(seen.width // tf.maximum(width, 1), seen.height // tf.maximum(height, 1))
    found = tf.reduce_max([either(tf, most >= ratio, ratio, 1) for ratio in RATIOS])
    return either(tf, seen.kind == 0, found, 1)


def _cut(tf: Any, image: Any, seen: Look, ratio: Any, signature: Signature) -> Cut:
    """The resize that `preprocessing.pixels.resize` makes."""
    shape = tf.cast(tf.shape(image), tf.int64)
    full: Pair = (shape[0], shape[1])
    left, top, right, bottom = (tf.cast(one, tf.float64) for one in (0, 0, shape[1], shape[0]))
    if ratio is not None:
        scaled = ratio > 1
        whole = _oriented(tf, seen, seen.height, seen.width)
        full = either(tf, scaled, whole[0], full[0]), either(tf, scaled, whole[1], full[1])
        sides = [tf.cast(side, tf.float64) / tf.cast(ratio, tf.float64) for side in full]
        over_left, over_top = (tf.reduce_any([seen.orientation == one for one in at]) for at in _FAR)
        extra_down, extra_across = bottom - sides[0], right - sides[1]
        left, top = (either(tf, at, extra, 0.0) for at, extra in ((over_left, extra_across), (over_top, extra_down)))
        right, bottom = left + sides[1], top + sides[0]
    between = _before_cut(tf, full, signature)
    corner = _middle(between, signature)
    beyond = between[0] * between[1] > LARGEST_PIXELS
    x, y = (right - left) / tf.cast(between[1], tf.float64), (bottom - top) / tf.cast(between[0], tf.float64)
    at_left, at_top = left + tf.cast(corner[1], tf.float64) * x, top + tf.cast(corner[0], tf.float64) * y
    part = (
        at_left,
        at_top,
        left + tf.cast(corner[1] + signature.size[1], tf.float64) * x,
        top + tf.cast(corner[0] + signature.size[0], tf.float64) * y,
    )
    box = tuple(either(tf, beyond, one, two) for one, two in zip(part, (left, top, right, bottom), strict=True))
    size = tuple(_whole(tf, either(tf, beyond, one, two)) for one, two in zip(signature.size, between, strict=True))
    start = tuple(_whole(tf, either(tf, beyond, 0, one)) for one in corner)
    return Cut(size, box, start)  # type: ignore[arg-type]


_FAR = ((2, 3, 6, 7), (3, 4, 7, 8))  # orientations that bring the right side to the left, the lower side to the top


def _whole(tf: Any, value: Any) -> Any:
    return tf.cast(value, tf.int32)


def _before_cut(tf: Any, size: Pair, signature: Signature) -> Pair:
    """`preprocessing.pixels.size_before_cut` of tensors, int64."""
    want_height, want_width = (tf.constant(side, tf.int64) for side in signature.size)
    if signature.fit == "stretch":
        return want_height, want_width
    (height, width), to = size, signature.resize_to
    if to is not None:
        lies = height <= width
        long, short = tf.maximum(height, width), tf.maximum(tf.minimum(height, width), 1)
        other = tf.cast(tf.cast(to * long, tf.float64) / tf.cast(short, tf.float64), tf.int64)
        return either(tf, lies, to, other), either(tf, lies, other, to)
    tall = want_height * width >= want_width * height
    across = tf.maximum(want_width, want_height * width // tf.maximum(height, 1))
    down = tf.maximum(want_height, want_width * height // tf.maximum(width, 1))
    return either(tf, tall, want_height, down), either(tf, tall, across, want_width)


def _middle(between: Pair, signature: Signature) -> Pair:
    """The (top, left) of the middle; see `Signature.half`."""
    top, left = (one - two for one, two in zip(between, signature.size, strict=True))
    if signature.half == "down":
        return top // 2, left // 2
    return _half(top), _half(left)


def _half(over: Any) -> Any:
    """Rounded to the even number where it lies between two."""
    return over // 2 + (over % 2) * (over // 2 % 2)
