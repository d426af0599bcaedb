"""Which way up an image is, as Pillow reads it: EXIF's tag 0x0112, or XMP's tiff:Orientation where that is silent."""

from __future__ import annotations

from typing import Any

from bakeoff.exports.serving._words import begins, either, length_of, number, part
from bakeoff.preprocessing._work import PARTS

TAG = 0x0112
SHORTS, LONGS = (3, 8), (4, 9)  # TIFF's types of integers, unsigned and signed
NEWEST = 18  # of TIFF's types
XMP = r'(?s)\C*?tiff:Orientation(?:="|>)([0-9])\C*'


def orientation_of(tf: Any, exif: Any, xmp: Any) -> Any:
    """1 to 8; 1 where nothing is said, or nothing that can be read.

    Args:
        tf: TensorFlow.
        exif: a TIFF header and its first folder, with or without `Exif` before it; "" for none.
        xmp: the text, or "".
    """
    said = _in_exif(tf, exif)
    found = tf.strings.regex_replace(xmp, XMP, r"\1", replace_global=False)
    by_xmp = either(tf, tf.strings.length(found) == 1, number(tf, found, 0, 1) - ord("0"), 1)
    said = either(tf, said < 0, by_xmp, said)
    return either(tf, tf.logical_and(said >= 1, said <= 8), said, 1)


def _in_exif(tf: Any, exif: Any) -> Any:
    """The value of the tag, the last where there are several; 0 for none that is an integer, -1 where it is missing."""
    for _ in range(2):
        exif = either(tf, begins(tf, exif, 0, b"Exif\0\0"), part(tf, exif, 6, length_of(tf, exif)), exif)
    little = begins(tf, exif, 0, b"II")
    magic = tf.logical_or(begins(tf, exif, 2, b"*\0"), begins(tf, exif, 2, b"\0*"))
    known = tf.logical_and(tf.logical_or(little, begins(tf, exif, 0, b"MM")), magic)
    folder = number(tf, exif, 4, 4, little)
    count = tf.minimum(either(tf, known, number(tf, exif, folder, 2, little), 0), PARTS)
    end = length_of(tf, exif)

    def step(entry: Any, found: Any) -> tuple[Any, Any]:
        at = folder + 2 + 12 * entry
        tag, kind, values = (number(tf, exif, at + place, size, little) for place, size in ((0, 2), (2, 2), (4, 4)))
        short, long = (tf.reduce_any([kind == one for one in kinds]) for kinds in (SHORTS, LONGS))
        size = values * either(tf, short, 2, either(tf, long, 4, 1))
        place = either(tf, size > 4, number(tf, exif, at + 8, 4, little), at + 8)
        value = either(tf, short, number(tf, exif, place, 2, little), number(tf, exif, place, 4, little))
        value = either(tf, tf.logical_or(short, long), value, 0)
        read = tf.reduce_all([tag == TAG, kind >= 1, kind <= NEWEST, values > 0, place + size <= end])
        return entry + 1, either(tf, read, value, found)

    def more(entry: Any, _: Any) -> Any:
        return tf.logical_and(entry < count, folder + 14 + 12 * entry <= end)

    start = (tf.constant(0, tf.int64), tf.constant(-1, tf.int64))
    return tf.while_loop(more, step, start, parallel_iterations=1)[1]
