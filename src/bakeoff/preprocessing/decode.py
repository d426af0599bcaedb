"""The one decoder: training, prediction, export and server all see these bytes.

Rules, in this order:
    format       by content, never by suffix; only the formats in `FORMATS` (no EPS: it would start Ghostscript)
    bombs        more than 178,956,970 pixels by the header (268,435,456 of a JPEG; a third where they take more memory:
             alpha, 16 bits, WebP, JPEG 2000, AVIF, HEIC), more than 1 GiB, or what takes minutes (`_work`): refused
             before decoding. 200 million of a JPEG that is turned take 1.6 GB; progressive ones up to 10 bytes a pixel
    animation    the first frame
    truncation   refused; Pillow's filling with grey is not used, nor libjpeg's (`_jpeg`)
    1 bit        grey, 0 or 255
    16-bit grey  value / 257, rounded, so that 65,535 is 255; 16-bit RGB: the high byte, as Pillow reads it
    32-bit       integers and floats are refused: they have no stated range
    palette      RGB
    alpha        composited onto white: RGBA, LA, PA, and a transparent colour or palette entry
    CMYK, YCbCr  RGB by Pillow's conversion
    ICC          not applied, as in every training pipeline of the field
    EXIF         the orientation is applied; EXIF that can't be read counts as none
What is grey stays grey (mode L) until someone asks for channels.

`decode_scaled` lets libjpeg decode a JPEG at 1/2, 1/4 or 1/8 of its size, by DCT coefficients that it then needn't look
at, where the result stays as large as was asked for. All other rules are the same.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import BytesIO, UnsupportedOperation
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from bakeoff.errors import DataError
from bakeoff.files import regular
from bakeoff.preprocessing._jpeg import check_jpeg
from bakeoff.preprocessing._quiet import quiet
from bakeoff.preprocessing._work import LARGE, LARGEST_PIXELS, alone, check_parts, check_pixels, check_size
from bakeoff.preprocessing.formats import sniff

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF", "HEIF")

_BY_EXTRA = ("HEIC", "AVIF")
_ORIENTATION = 0x0112
_TURNING = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type")  # names of what may turn a PNG
_GREY = frozenset(["1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N", "I"])
_ALPHA = frozenset(["RGBA", "RGBa", "LA", "La", "PA"])
_SIXTEEN = frozenset(["I;16", "I;16L", "I;16B", "I;16N"])


class Header(NamedTuple):
    """What the header of an image says, after orientation."""

    height: int
    width: int
    grey: bool


class Scaled(NamedTuple):
    """An image that may have been decoded at less than its size.

    Attributes:
        image: mode L or RGB, oriented.
        size: (height, width) of the whole image at its full size, oriented.
        box: (left, top, right, bottom) of the image in `image`: its last row or column may be there in part only.
    """

    image: Image.Image
    size: tuple[int, int]
    box: tuple[float, float, float, float]


Least = Callable[[tuple[int, int]], tuple[int, int]]
"""From the (height, width) of a whole image to the least at which it may be decoded."""


def decode(source: str | os.PathLike[str] | bytes | IO[bytes] | Image.Image) -> Image.Image:
    """The image as a Pillow image of mode L or RGB, by the rules of this module.

    Args:
        source: a path, the bytes of a file, an open binary file, or what Pillow opened or made.

    Raises:
        DataError: it can't be decoded; the message is one short reason, without the path.
    """
    from PIL import Image

    if not isinstance(source, Image.Image):
        return decode_scaled(source).image
    with quiet():
        try:
            whole = source.copy()  # loads it, and leaves the user's as it was
            whole.format = source.format  # 16 bits of a PNG are known by it
            return _orient(_to_grey_or_rgb(whole), _orientation(whole))
        except Exception as error:
            raise _reason(error) from None


def decode_scaled(source: str | os.PathLike[str] | bytes | IO[bytes], least: Least | None = None) -> Scaled:
    """The image as `decode` gives it, or a JPEG at 1/2, 1/4 or 1/8 of that if this is `least` or more on both sides.

    Raises:
        DataError: as `decode`.
    """
    if _large(source):
        with alone:
            return _scaled(content(source), least)
    return _scaled(content(source), least)


def _scaled(whole: bytes, least: Least | None) -> Scaled:
    with quiet(), _opened(whole) as image:
        if check_pixels(image, whole):
            with alone:
                return _loaded(image, whole, least)
        return _loaded(image, whole, least)


def _loaded(image: Image.Image, whole: bytes, least: Least | None) -> Scaled:
    try:
        drafts = image.format in ("JPEG", "MPO")  # others can't; and a PNG is loaded to be asked for its orientation
        scaled = _draft(image, least) if least is not None and drafts else None
        width, height = image.size
        image.load()
        check_jpeg(image, whole)
        orientation = _orientation(image)  # after loading: Pillow turns a TIFF by itself
        turned = _orient(_to_grey_or_rgb(image), orientation)
    except Exception as error:
        raise _reason(error) from None
    if scaled is None:
        if least is not None and not drafts:
            least((turned.height, turned.width))
        return Scaled(turned, (turned.height, turned.width), (0, 0, turned.width, turned.height))
    full, (right, bottom) = scaled
    return Scaled(turned, full, _box(turned, orientation, width - right, height - bottom))


def _draft(image: Image.Image, least: Least) -> tuple[tuple[int, int], tuple[float, float]] | None:
    """Ask a JPEG for a smaller decoding; the oriented full size, (right, bottom) of the image before orientation."""
    across = _orientation(image) >= 5
    width, height = image.size
    whole = (width, height) if across else (height, width)
    wanted = least(whole)
    drawn = image.draft(None, wanted if across else wanted[::-1])
    return None if drawn is None or image.size == (width, height) else (whole, (drawn[1][2], drawn[1][3]))


def read_header(source: str | os.PathLike[str] | bytes | IO[bytes]) -> Header:
    """Size and kind of an image without decoding its pixels.

    Raises:
        DataError: it isn't an image of a known format, or too large; the message is one short reason.
    """
    with quiet(), _opened(whole := content(source)) as image:
        check_pixels(image, whole)
        width, height = image.size
        # A TIFF's size is already turned when Pillow opens it; a PNG is loaded for a word that may come last.
        silent = image.format == "PNG" and not any(word in whole for word in _TURNING)
        if image.format != "TIFF" and not silent and _orientation(image) >= 5:
            width, height = height, width
        return Header(height, width, image.mode in _GREY)


def _opened(content: bytes) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    check_parts(content)
    try:
        return Image.open(BytesIO(content), formats=_formats())
    except UnidentifiedImageError:
        raise DataError(_unknown(content)) from None
    except Image.DecompressionBombError as error:
        return _above_pillows_limit(content, error)
    except Exception as error:
        raise _reason(error) from None


def _above_pillows_limit(content: bytes, error: Exception) -> Image.Image:
    """As `Image.open` gives it without its limit, which is the whole process's: `check_pixels` has one a kind."""
    from PIL import Image

    for factory, accepts in (Image.OPEN[name] for name in _formats()):
        if accepts is None or accepts(content[:16]) is True:
            with suppress(SyntaxError, IndexError, TypeError, struct.error, Image.DecompressionBombError):
                return factory(BytesIO(content), "")
    raise _reason(error)


def content(source: str | os.PathLike[str] | bytes | IO[bytes]) -> bytes:
    """The bytes of a file, read at once: threads wait for each other less than with a read a block."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    try:
        if not isinstance(source, str | os.PathLike):
            with suppress(AttributeError, UnsupportedOperation):
                source.seek(0)
            return source.read()
        with regular(source, buffering=0) as file:
            check_size(os.fstat(file.fileno()).st_size)
            return file.read()
    except OSError as error:
        raise _reason(error) from None


def _large(source: object) -> bool:
    """Whether a file, which isn't read yet, will take much memory."""
    try:
        return isinstance(source, str | os.PathLike) and os.stat(source).st_size > LARGE
    except OSError:  # said where it is read
        return False


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this build of Pillow reads; a phone's MPO opens as the JPEG that it begins with."""
    from importlib.util import find_spec

    from PIL import Image

    if find_spec("pi_heif"):
        import pi_heif  # HEIC alone, by a decoder: with an encoder it would be under the GPL

        pi_heif.register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _to_grey_or_rgb(image: Image.Image) -> Image.Image:
    if "transparency" in image.info and image.mode in _SIXTEEN:
        return _onto_white(_with_alpha(image))
    if "transparency" in image.info and image.mode in ("1", "L", "P", "RGB"):
        return _onto_white(image.convert("LA" if image.mode in ("1", "L") else "RGBA"))
    if image.mode in _ALPHA:
        return _onto_white(image)
    if image.mode in _SIXTEEN or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return _from_sixteen_bits(image)
    if image.mode in ("I", "F"):
        raise DataError(f"{'32-bit integer' if image.mode == 'I' else 'floating-point'} pixels have no stated range")
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _onto_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    grey = image.mode in ("LA", "La")
    image = image.convert("LA" if grey else "RGBA")
    below = Image.new("L" if grey else "RGB", image.size, "white")
    below.paste(image.convert(below.mode), mask=image.getchannel("A"))
    return below


def _with_alpha(image: Image.Image) -> Image.Image:
    """16 bits of grey as 8 with an alpha channel: the transparent value is one of the 16."""
    from PIL import Image

    shown = np.asarray(image) != image.info["transparency"]
    return Image.merge("LA", (_from_sixteen_bits(image), Image.fromarray(shown.astype(np.uint8) * 255)))


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    from PIL import Image

    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _orient(image: Image.Image, orientation: int) -> Image.Image:
    from PIL.Image import Transpose

    if orientation == 1:
        return image
    turns = (
        Transpose.FLIP_LEFT_RIGHT,
        Transpose.ROTATE_180,
        Transpose.FLIP_TOP_BOTTOM,
        Transpose.TRANSPOSE,
        Transpose.ROTATE_270,
        Transpose.TRANSVERSE,
        Transpose.ROTATE_90,
    )
    return image.transpose(turns[orientation - 2])


def _box(image: Image.Image, orientation: int, right: float, bottom: float) -> tuple[float, float, float, float]:
    """What is left of an oriented image without the last `right` columns and `bottom` rows that it had before."""
    if orientation >= 5:
        right, bottom = bottom, right
    from_left, from_top = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    left, top = right * from_left, bottom * from_top
    return left, top, left + image.width - right, top + image.height - bottom


def _unknown(content: bytes) -> str:
    head = content[:512]
    if not head:
        return "empty (0 bytes)"
    if (kind := sniff(head[:16])) in _BY_EXTRA:
        return f"{kind}, for which an extra is needed: pip install 'bakeoff[heif]'"
    printable = sum(byte >= 32 or byte in b"\t\n\r\f" for byte in head)
    return "text, not an image" if b"\0" not in head and printable > 0.95 * len(head) else "not a known image format"


def _reason(error: Exception) -> Exception:
    from PIL import Image

    if isinstance(error, MemoryError | DataError):
        return error
    if isinstance(error, Image.DecompressionBombError):
        pixels = re.search(r"\d+", str(error))
        return DataError(f"too large ({int(pixels[0] if pixels else 0):,} pixels; at most {LARGEST_PIXELS:,})")
    if isinstance(error, FileNotFoundError):
        return DataError("no such file")
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"can't be read ({(error.strerror or 'I/O error').lower()})")
    text = " ".join(str(error).split()) or type(error).__name__
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return DataError("truncated")
    return DataError(f"damaged ({text[:80]})")
