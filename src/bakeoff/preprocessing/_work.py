"""What a file would have its decoder do, seen before it is decoded: small files can ask for minutes and gigabytes.

parts    segments, chunks, blocks and fillings, which Pillow reads one by one in Python: more than images have
text     pixels and comments as text (PPM), runs of bytes (BMP): decoded in Python, too
strips   of a TIFF, and profiles of a PNG, each of which is unpacked
scans    of a JPEG, each of which goes over the whole image
pixels   beyond which one decoding takes gigabytes, where they have alpha, 16 bits or a codec that needs copies
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bakeoff.errors import DataError
from bakeoff.preprocessing.formats import sniff

if TYPE_CHECKING:
    from PIL import Image

LARGEST_PIXELS = 178_956_970
LARGEST_JPEG = 1 << 28  # pixels, of which one takes 4 bytes, 8 where it is turned: phones make 200 million
LARGEST_FILE = 1 << 30  # bytes
LARGE = 32 << 20  # bytes, or half as many pixels of a costly kind: above it, one image is decoded at a time
SMALL = 32 << 10  # bytes, which hold too few parts to look for
PARTS, PART = 2_000, 1_024  # so many, and one for so many bytes
TEXT = 16 << 20  # bytes
COMMENTS, PROFILES, STRIPS = 10_000, 16, 200_000
SCANNED = 3_000_000_000  # pixels, of all scans together: 10 s
COSTLY = 3  # times the memory of RGB
_HEADER = 4_096  # bytes in which a PNM has said its size
_CODECS = ("WEBP", "JPEG2000", "AVIF", "HEIF")
_JPEGS = ("JPEG", "MPO")
_BIT, _RGB = ("1", "L"), ("RGB", "YCbCr", "CMYK", "P")
alone = threading.RLock()
"""What is large is decoded under it, one image at a time: each may take a gigabyte."""


def check_size(size: int) -> None:
    """That a file isn't larger than any image, nor without a size: some of those below /proc have no end.

    Raises:
        DataError: it is.
    """
    if not size:
        raise DataError("empty (0 bytes)")
    if size > LARGEST_FILE:
        raise DataError(f"too large ({size:,} bytes; at most {LARGEST_FILE:,})")


def check_parts(content: bytes) -> None:
    """That a file can be opened in a time that its size explains.

    Raises:
        DataError: it can't.
    """
    if len(content) < SMALL:
        return
    walk, most = _WALKS.get(sniff(content[:16])), PARTS + len(content) // PART
    for count, _ in enumerate(walk(content) if walk else ()):
        if count > most:
            raise _costs(f"more than {most:,} parts")


def check_pixels(image: Image.Image, content: bytes) -> bool:
    """That an image that was opened can be decoded; whether that should happen alone.

    Raises:
        DataError: it has too many pixels, or scans.
    """
    pixels, kind = image.width * image.height, image.mode
    plain = kind in _BIT or (kind in _RGB and image.format not in _CODECS)
    weight = 1 if plain and "transparency" not in image.info else COSTLY
    weight += image.format == "JPEG2000" and kind in ("RGBA", "LA")  # 7,600 x 7,600 took 14 s beside others
    most = LARGEST_JPEG if image.format in _JPEGS and kind in ("L", "RGB") else LARGEST_PIXELS // weight
    if pixels > most:
        raise DataError(f"too large ({image.width} x {image.height} pixels; at most {most:,})")
    if image.format in _JPEGS and (scans := content.count(b"\xff\xda")) * max(pixels, 1 << 20) > SCANNED:
        raise _costs(f"{scans:,} scans")
    return pixels * weight > 2 * LARGE


def _costs(what: str) -> DataError:
    return DataError(f"costs too much to decode ({what})")


def _at(content: bytes, at: int, size: int, order: str = "big") -> int:
    return int.from_bytes(content[at : at + size], "little" if order == "little" else "big")


def _jpeg(content: bytes) -> Iterator[None]:
    at, exif = 2, 0
    while at + 4 <= len(content):
        yield
        kind = content[at + 1]
        if content[at] != 0xFF or kind == 0xFF:
            at += 1
        elif kind < 2 or 0xD0 <= kind <= 0xD9:
            at += 2
        elif kind == 0xDA:
            return
        else:
            exif += kind == 0xE1 and content.startswith(b"Exif", at + 4)
            if exif > PROFILES:
                raise _costs(f"more than {PROFILES} parts of EXIF")
            at += 2 + max(_at(content, at + 2, 2), 2)


def _png(content: bytes) -> Iterator[None]:
    if content.count(b"iCCP") > PROFILES:
        raise _costs(f"more than {PROFILES} profiles")
    at = 8
    while at < len(content) and not content.startswith(b"IEND", at + 4):
        yield
        at += 12 + _at(content, at, 4)


def _gif(content: bytes) -> Iterator[None]:
    """As far as the first image: the rest isn't read."""
    at = 13 + (3 << (content[10] & 7) + 1 if content[10:11] >= b"\x80" else 0)
    while at < len(content) and content[at] not in b",;":
        yield
        if content[at] != 0x21:
            at += 1
            continue
        at += 2
        while at < len(content) and content[at]:
            yield
            at += 1 + content[at]
        at += 1


def _jpeg_2000(content: bytes) -> Iterator[None]:
    """Boxes, and then markers as far as the first tile or comment."""
    start, at = content.find(b"\xff\x4f\xff\x51"), 0
    while at < start and (size := _at(content, at, 4)):
        yield
        size = _at(content, at + 8, 8) if size == 1 else size
        at += 8 if content.startswith(b"jp2h", at + 4) else max(size, 8)
    at = start + 2
    while at + 4 <= len(content) and content[at + 1] not in b"\x90\xd9\x64":
        yield
        at += 2 + _at(content, at + 2, 2)


def _tiff(content: bytes) -> Iterator[None]:
    """The entries of the first folder."""
    order, wide = ("little" if content[:2] == b"II" else "big"), _at(content, 2, 1) + _at(content, 3, 1) == 43
    word, entry = (8, 20) if wide else (4, 12)
    at = _at(content, 8 if wide else 4, word, order)
    count, at = _at(content, at, 8 if wide else 2, order), at + (8 if wide else 2)
    for _ in range(min(count, 1 << 16)):
        yield
        if _at(content, at, 2, order) in (273, 324) and (strips := _at(content, at + 4, word, order)) > STRIPS:
            raise _costs(f"{strips:,} strips")
        at += entry


def _pnm(content: bytes) -> Iterator[None]:
    plain = content[1:2] in b"123"
    words = re.sub(rb"#[^\r\n]*", b" ", content[:_HEADER]).split(maxsplit=4)
    if len(words) < (3 if content[1:2] in b"14" else 4):
        raise _costs("a comment before its size")
    if plain and (len(content) > TEXT or content.count(b"#") > COMMENTS):
        raise _costs("its pixels are a long text")
    yield


def _bmp(content: bytes) -> Iterator[None]:
    """With the head of a file, or without it: then it is known by no first bytes."""
    compression = _at(content, 30 if content[:2] == b"BM" else 16, 4, "little")
    if len(content) > TEXT and compression in (1, 2):
        raise _costs("its pixels are many runs")
    yield


_WALKS: dict[str, Callable[[bytes], Iterator[None]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "JPEG 2000": _jpeg_2000,
    "TIFF": _tiff,
    "PNM": _pnm,
    "BMP": _bmp,
    "": _bmp,
}
