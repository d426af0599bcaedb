"""What the header of an image file says, read in TensorFlow's operators: kind, size, orientation, reasons to refuse it.

Segments, chunks and blocks are walked one by one, as Pillow walks them, so that pixels are never taken for words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bakeoff.exports.serving._orientation import orientation_of
from bakeoff.exports.serving._words import begins, byte, either, length_of, number, part, walked
from bakeoff.preprocessing import LARGEST_PIXELS
from bakeoff.preprocessing._work import COSTLY, SCANNED

KINDS = ("JPEG", "PNG", "WebP", "GIF", "BMP", "refused")
REFUSED = KINDS.index("refused")
REASONS = {
    "unknown": "not an image of a kind that this model decodes (JPEG, PNG, WebP, GIF, BMP)",
    "large": f"too large (more than {LARGEST_PIXELS:,} pixels, or a third of that of WebP, alpha and 16 bits)",
    "parts": "it has more parts than images have",
    "scans": "it costs too much to decode (too many scans)",
    "cmyk": "a JPEG of other than 1 or 3 colours (CMYK): save it as RGB",
    "deep": "a PNG of 16 bits a colour with a transparent colour: save it with 8",
    "shallow": "a grey PNG of 2 or 4 bits with a transparent colour: save it with 8",
    "animated": "an animated WebP: save one of its images",
    "partial": "a GIF whose first image leaves a part of its canvas free: save it as PNG",
    "bmp": "a BMP of other than 24 or 32 bits, or compressed: save it as PNG",
}
_SOF = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)


class Look(NamedTuple):
    """What a header says; scalars.

    Attributes:
        kind: the place in `KINDS`, int32.
        reason: why it is refused; "" where it isn't.
        height: in pixels, before orientation.
        width: likewise.
        orientation: 1 to 8.
        variant: 1 of a PNG or WebP with alpha, or a transparent colour; of a PNG of 16 bits 2 with colours or alpha,
            3 with grey alone.
        patch: of a GIF where the colour lies that is transparent; else -1.
        control: of a GIF where the block lies that says so.
    """

    kind: Any
    reason: Any
    height: Any
    width: Any
    orientation: Any
    variant: Any
    patch: Any
    control: Any


def look(tf: Any, content: Any) -> Look:
    """What the header of a file says.

    Args:
        tf: TensorFlow.
        content: the file, a scalar of strings.
    """
    starts = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"GIF8", b"BM")
    found = [begins(tf, content, 0, start) for start in starts]
    found[2] = tf.logical_and(found[2], begins(tf, content, 8, b"WEBP"))
    kind = tf.constant(REFUSED, tf.int64)
    for place, is_it in reversed(list(enumerate(found))):
        kind = either(tf, is_it, place, kind)
    walks: list[Callable[[], Look]] = [
        lambda: _jpeg(tf, content),
        lambda: _png(tf, content),
        lambda: _webp(tf, content),
        lambda: _gif(tf, content),
        lambda: _bmp(tf, content),
        lambda: _look(tf, [(tf.constant(True), "unknown")]),
    ]
    seen = Look(*tf.switch_case(tf.cast(kind, tf.int32), walks))
    costly = tf.logical_or(seen.variant > 0, kind == KINDS.index("WebP"))
    large = seen.height * seen.width * either(tf, costly, COSTLY, 1) > LARGEST_PIXELS
    large = tf.logical_and(seen.reason == "", large)
    reason = either(tf, large, REASONS["large"], seen.reason)
    return seen._replace(kind=tf.cast(either(tf, reason == "", kind, REFUSED), tf.int32), reason=reason)


def _look(tf: Any, refusals: list[tuple[Any, str]], **said: Any) -> Look:
    reason = tf.constant("")
    for refused, name in refusals:
        reason = either(tf, refused, REASONS[name], reason)
    usual = {"height": 0, "width": 0, "orientation": 1, "variant": 0, "patch": -1, "control": -1}
    numbers = {name: tf.cast(said.get(name, value), tf.int64) for name, value in usual.items()}
    return Look(tf.constant(0), reason, **numbers)


def _jpeg(tf: Any, content: Any) -> Look:
    """Segments as far as the first scan."""
    length = length_of(tf, content)

    def more(at: Any, kind: Any, *_: Any) -> Any:
        return tf.logical_and(at + 4 <= length, kind != 0xDA)

    def step(at: Any, _: Any, exif: Any, xmp: Any, frame: Any) -> tuple[Any, ...]:
        marks, kind = byte(tf, content, at) == 0xFF, byte(tf, content, at + 1)
        bare = tf.reduce_any([kind == 0x00, kind == 0x01, tf.logical_and(kind >= 0xD0, kind <= 0xD9)])
        size = tf.maximum(number(tf, content, at + 2, 2), 2)
        step = either(tf, tf.logical_or(~marks, kind == 0xFF), 1, either(tf, bare, 2, 2 + size))
        step = either(tf, tf.logical_and(marks, kind == 0xDA), 0, step)
        kind = either(tf, tf.logical_and(marks, kind != 0xFF), kind, 0)
        told = tf.logical_and(kind == 0xE1, begins(tf, content, at + 4, b"Exif\0\0"))
        exif = either(tf, told, tf.strings.join([exif, part(tf, content, at + 10, size - 8)]), exif)
        told = tf.logical_and(kind == 0xE1, begins(tf, content, at + 4, b"http://ns.adobe.com/xap/1.0/\0"))
        xmp = either(tf, told, part(tf, content, at + 33, size - 31), xmp)
        frame = either(tf, tf.reduce_any([kind == mark for mark in _SOF]), at, frame)
        return at + step, kind, exif, xmp, frame

    zero = tf.constant(0, tf.int64)
    start = (zero + 2, zero, tf.constant(b""), tf.constant(b""), zero)
    (scan, _, exif, xmp, frame), ended = walked(tf, content, more, step, start)
    height, width, colours = (number(tf, content, frame + at, size) for at, size in ((5, 2), (7, 2), (9, 1)))
    other = tf.logical_and(colours != 1, colours != 3)
    turn = orientation_of(tf, exif, xmp)
    work = _scans(tf, content, frame, scan) * tf.maximum(height * width, 1 << 20)
    refusals = [(other, "cmyk"), (work > SCANNED, "scans"), (~ended, "parts")]
    return _look(tf, refusals, height=height, width=width, orientation=turn)


def _scans(tf: Any, content: Any, frame: Any, scan: Any) -> Any:
    """How often a JPEG goes over the whole image: once, unless it is progressive, or its first scan lacks colours."""

    def counted() -> Any:
        codes = tf.io.decode_raw(content, tf.uint8)
        return tf.math.count_nonzero(tf.logical_and(codes[:-1] == 0xFF, codes[1:] == 0xDA))

    in_steps = tf.reduce_any([byte(tf, content, frame + 1) == mark for mark in _PROGRESSIVE])
    in_steps = tf.logical_or(in_steps, byte(tf, content, scan + 4) != byte(tf, content, frame + 9))
    return tf.cond(in_steps, counted, lambda: tf.constant(1, tf.int64))


def _png(tf: Any, content: Any) -> Look:
    """All chunks: what turns an image may come after its pixels."""
    length = length_of(tf, content)

    def more(at: Any, *_: Any) -> Any:
        return tf.logical_and(at + 12 <= length, ~begins(tf, content, at + 4, b"IEND"))

    def step(at: Any, exif: Any, xmp: Any, clear: Any) -> tuple[Any, ...]:
        size, name = number(tf, content, at, 4), part(tf, content, at + 4, 4)
        exif = either(tf, name == b"eXIf", part(tf, content, at + 8, size), exif)
        told = tf.logical_and(name == b"iTXt", begins(tf, content, at + 8, b"XML:com.adobe.xmp\0"))
        xmp = either(tf, told, part(tf, content, at + 26, size - 18), xmp)
        return at + 12 + size, exif, xmp, tf.logical_or(clear, name == b"tRNS")

    start = (tf.constant(8, tf.int64), tf.constant(b""), tf.constant(b""), tf.constant(False))
    (_, exif, xmp, clear), ended = walked(tf, content, more, step, start)
    depth, colour = byte(tf, content, 24), byte(tf, content, 25)
    deep, grey = depth == 16, colour == 0
    shallow = tf.reduce_all([clear, grey, depth > 1, depth < 8])
    return _look(
        tf,
        [(tf.logical_and(deep, clear), "deep"), (shallow, "shallow"), (~ended, "parts")],
        height=number(tf, content, 20, 4),
        width=number(tf, content, 16, 4),
        orientation=orientation_of(tf, exif, xmp),
        variant=either(tf, deep, either(tf, grey, 3, 2), tf.cast(tf.logical_or(clear, colour >= 4), tf.int64)),
    )


def _webp(tf: Any, content: Any) -> Look:
    """Chunks of the file; TensorFlow's decoder writes beyond its memory where an animation has no alpha."""
    length = length_of(tf, content)

    def step(at: Any, exif: Any, xmp: Any, alpha: Any, first: Any) -> tuple[Any, ...]:
        name, size = part(tf, content, at, 4), number(tf, content, at + 4, 4, little=True)
        exif = either(tf, tf.logical_and(name == b"EXIF", exif == b""), part(tf, content, at + 8, size), exif)
        xmp = either(tf, tf.logical_and(name == b"XMP ", xmp == b""), part(tf, content, at + 8, size), xmp)
        bit = byte(tf, content, at + 12) // 16 % 2 == 1
        alpha = either(tf, tf.logical_and(name == b"VP8L", first), bit, tf.logical_or(alpha, name == b"ALPH"))
        first = tf.logical_and(first, tf.logical_and(name != b"VP8L", name != b"VP8 "))
        return at + 8 + size + size % 2, exif, xmp, alpha, first

    extended, flags = begins(tf, content, 12, b"VP8X"), byte(tf, content, 20)
    alpha = tf.logical_and(extended, flags // 16 % 2 == 1)
    start = (tf.constant(12, tf.int64), tf.constant(b""), tf.constant(b""), alpha, tf.constant(True))
    (_, exif, xmp, alpha, _), ended = walked(tf, content, lambda at, *_: at + 8 <= length, step, start)
    moves = tf.logical_and(extended, flags // 2 % 2 == 1)
    turn = orientation_of(tf, exif, xmp)
    height, width = _webp_size(tf, content)
    refusals = [(moves, "animated"), (~ended, "parts")]
    return _look(tf, refusals, height=height, width=width, orientation=turn, variant=alpha)


def _webp_size(tf: Any, content: Any) -> tuple[Any, Any]:
    """(height, width) by the first chunk, which is of one of three kinds."""
    extended, lossless = begins(tf, content, 12, b"VP8X"), begins(tf, content, 12, b"VP8L")
    wide = [1 + number(tf, content, at, 4, little=True) % (1 << 24) for at in (27, 24)]
    lossy = [number(tf, content, at, 2, little=True) % (1 << 14) for at in (28, 26)]
    bits = number(tf, content, 21, 4, little=True)
    dense = [1 + bits // (1 << shift) % (1 << 14) for shift in (14, 0)]
    height, width = (
        either(tf, extended, one, either(tf, lossless, two, three))
        for one, two, three in zip(wide, dense, lossy, strict=True)
    )
    return height, width


def _gif(tf: Any, content: Any) -> Look:
    """Blocks as far as the first image, and where its transparent colour lies."""
    length = length_of(tf, content)
    flags = byte(tf, content, 10)

    def table(flags: Any) -> Any:
        return either(tf, flags >= 128, 3 * tf.bitwise.left_shift(tf.constant(2, tf.int64), flags % 8), 0)

    def more(at: Any, inside: Any, _: Any) -> Any:
        image = tf.logical_or(byte(tf, content, at) == 0x2C, byte(tf, content, at) == 0x3B)
        return tf.logical_and(at < length, tf.logical_or(inside, ~image))

    def step(at: Any, inside: Any, control: Any) -> tuple[Any, ...]:
        here = byte(tf, content, at)
        begun = tf.logical_and(~inside, here == 0x21)
        controls = tf.logical_and(begun, byte(tf, content, at + 1) == 0xF9)
        on = either(tf, inside, 1 + here, either(tf, begun, 2, 1))
        return at + on, either(tf, inside, here != 0, begun), either(tf, controls, at, control)

    start = (13 + table(flags), tf.constant(False), tf.constant(-1, tf.int64))
    (at, _, control), ended = walked(tf, content, more, step, start)
    width, height = (number(tf, content, place, 2, little=True) for place in (6, 8))
    box = [number(tf, content, at + place, 2, little=True) for place in (1, 3, 5, 7)]
    whole = tf.reduce_all([box[0] == 0, box[1] == 0, box[2] == width, box[3] == height])
    local = byte(tf, content, at + 9)
    base = either(tf, local >= 128, at + 10, 13)
    place = 3 * byte(tf, content, control + 6)
    clear = tf.logical_and(control >= 0, byte(tf, content, control + 3) % 2 == 1)
    clear = tf.logical_and(clear, place < either(tf, local >= 128, table(local), table(flags)))
    patch = either(tf, clear, base + place, -1)
    return _look(tf, [(~whole, "partial"), (~ended, "parts")], height=height, width=width, patch=patch, control=control)


def _bmp(tf: Any, content: Any) -> Look:
    width, height = (number(tf, content, place, 4, little=True) for place in (18, 22))
    height = either(tf, height >= 1 << 31, (1 << 32) - height, height)
    bits, packed = number(tf, content, 28, 2, little=True), number(tf, content, 30, 4, little=True)
    plain = tf.logical_and(tf.logical_or(bits == 24, bits == 32), packed == 0)
    plain = tf.logical_and(plain, number(tf, content, 14, 4, little=True) >= 40)
    return _look(tf, [(~plain, "bmp")], height=height, width=width)
