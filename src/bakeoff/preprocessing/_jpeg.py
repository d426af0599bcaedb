"""JPEGs that lack pixels, of which libjpeg only warns, and Pillow says nothing.

noughts  a sector of zeros among the coded pixels. Zeros alone are a code, too: of one colour, where the first code
         of every table says "no change" and "end of block"; then they are left alone
grey     where the codes end early (an end marker in the midst, or behind the rest of a cut file), libjpeg fills up
         with grey. Images may be grey there by themselves: without its last bytes, a whole one looks the same, and
         one that was cut lacks more
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import IO, TYPE_CHECKING

import numpy as np

from bakeoff.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

_GREY = 128
_CORNER = 4  # pixels: inside the last block
_BLOCK = 16  # pixels: what is coded together, at most
_LAST = 2  # bytes of codes
_LARGE, _EIGHTH = 64 << 20, 8  # pixels above which an eighth of them each way is compared, for memory's sake
_FAR = 10  # blocks: more than these bytes can hold, even where all are of one colour
_RUN = bytes(64)
_END = b"\xff\xd9"


def check_jpeg(image: Image.Image, source: str | os.PathLike[str] | bytes | IO[bytes]) -> None:
    """That an image, which was just loaded, has all of its pixels; where its bytes are at hand.

    Raises:
        DataError: it hasn't.
    """
    if image.format not in ("JPEG", "MPO") or not isinstance(source, bytes) or "progressive" in image.info:
        return  # of a progressive one every part shows the whole image
    if _zeroed(source):
        raise DataError("damaged (noughts in the place of pixels)")
    width, height = image.size
    corner = image.crop((max(0, width - _CORNER), max(0, height - _CORNER), width, height))
    if image.mode in ("L", "RGB") and set(corner.tobytes()) == {_GREY} and _cut(source):
        raise DataError("truncated (grey where its pixels end)")


def _zeroed(content: bytes) -> bool:
    """Whether there is a run of zeros among the codes, and zeros aren't those of one colour."""
    end = content.rfind(_END)
    if content.find(_RUN, 2, end) < 0:
        return False
    tables, at = _header(content)
    return content.find(_RUN, at, end) >= 0 and any(code for table in tables for code in _first_codes(table))


def _header(content: bytes) -> tuple[list[bytes], int]:
    """The segments of Huffman tables, and where the codes begin."""
    tables, at, kind = [], 2, 0
    while at + 4 <= len(content) and content[at] == 0xFF and kind != 0xDA:
        kind, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        tables += [content[at + 4 : at + 2 + length]] * (kind == 0xC4)
        at += 2 + length
    return tables, at


def _first_codes(tables: bytes) -> list[int]:
    """What the code of zeros stands for, in each table of a segment."""
    found, at = [], 0
    while at + 17 < len(tables):
        found.append(tables[at + 17])
        at += 17 + sum(tables[at + 1 : at + 17])
    return found


def _cut(content: bytes) -> bool:
    """Whether the codes end before the pixels do: the last of them are of pixels in the midst of the image."""
    from PIL import ImageChops

    at = content.find(_END, _header(content)[1])
    if at < 0:
        return False
    (whole, scale), (less, _) = _image(content), _image(content[: at - _LAST] + _END)
    box = ImageChops.difference(whole, less).getbbox()
    if box is None:
        return False
    one, other = (np.asarray(image.crop(box)) for image in (whole, less))
    changed = (one != other) & (one != _GREY)
    block = _BLOCK // scale
    last = max(0, (whole.height - 1) // block * block - box[1])  # the first row of the last blocks
    return bool(changed[:last].any() or changed[last:, : max(0, whole.width - _FAR * block - box[0])].any())


def _image(content: bytes) -> tuple[Image.Image, int]:
    """The image, and how many of its pixels are one each way."""
    from PIL.JpegImagePlugin import JpegImageFile

    with JpegImageFile(BytesIO(content)) as image:  # without the limit of `Image.open`: this was decoded already
        scale = _EIGHTH if image.width * image.height > _LARGE else 1
        image.draft(None, (image.width // scale, image.height // scale))
        image.load()
        return image, scale
