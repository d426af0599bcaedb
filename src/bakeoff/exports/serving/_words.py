"""Bytes of a string tensor: parts and numbers at a place. What lies behind the end counts as 0, or isn't there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bakeoff.preprocessing._work import PART, PARTS


def length_of(tf: Any, content: Any) -> Any:
    """In bytes, int64."""
    return tf.cast(tf.strings.length(content), tf.int64)


def part(tf: Any, content: Any, at: Any, size: Any) -> Any:
    """So many bytes from a place on, as far as there are any."""
    at, size = (tf.maximum(tf.cast(one, tf.int64), 0) for one in (at, size))
    return tf.strings.substr(content, tf.minimum(at, length_of(tf, content)), size)


def begins(tf: Any, content: Any, at: Any, word: bytes) -> Any:
    """Whether a word stands at a place."""
    return part(tf, content, at, len(word)) == word


def number(tf: Any, content: Any, at: Any, size: int, little: Any = False) -> Any:
    """The unsigned number of `size` bytes at a place, int64.

    Args:
        tf: TensorFlow.
        content: a scalar of strings.
        at: the place.
        size: 1, 2 or 4.
        little: whether the byte of the least weight comes first; a scalar, or True or False.
    """
    digits = tf.cast(tf.io.decode_raw(part(tf, content, at, size), tf.uint8, fixed_length=size), tf.int64)
    weights = tf.constant([256**place for place in reversed(range(size))], tf.int64)
    return tf.reduce_sum(digits * tf.where(little, weights[::-1], weights))


def byte(tf: Any, content: Any, at: Any) -> Any:
    """The byte at a place, int64."""
    return number(tf, content, at, 1)


def either(tf: Any, condition: Any, yes: Any, no: Any) -> Any:
    """`tf.where`, whose whole numbers are int64 wherever they stand."""
    return tf.where(condition, *(tf.constant(one, tf.int64) if isinstance(one, int) else one for one in (yes, no)))


def walked(tf: Any, content: Any, more: Callable[..., Any], step: Callable[..., Any], start: Any) -> tuple[Any, Any]:
    """What a loop over the parts of a file ends with, and whether it came to an end among as many as images have."""
    most = PARTS + length_of(tf, content) // PART
    found = tf.while_loop(more, step, start, parallel_iterations=1, maximum_iterations=tf.cast(most, tf.int32))
    return found, ~more(*found)
