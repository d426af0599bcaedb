"""Image files of every kind that a served model may be sent, and what isn't one."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 61, 83
PNG = b"\x89PNG\r\n\x1a\n"


def saved(image: Image.Image, form: str, **how: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **how)
    return content.getvalue()


def photo(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Image.Image:
    """Slopes, a pattern, and noise."""
    y, x = np.mgrid[:height, :width]
    clean = np.stack([3 * x % 256, 4 * y % 256, x * y % 256], -1)
    noise = np.random.default_rng(seed).integers(-20, 20, clean.shape)
    return Image.fromarray(np.clip(clean + noise, 0, 255).astype(np.uint8))


def exif(value: int, order: str = "<", kind: int = 3, count: int = 1) -> bytes:
    """EXIF with an orientation behind another tag."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    said = struct.pack(order + ("H2x" if kind == 3 else "I"), value)
    make = struct.pack(order + "HHI", 0x010F, 2, 4) + b"abc\0"
    tag = struct.pack(order + "HHI", 0x0112, kind, count) + said
    return b"Exif\0\0" + head + struct.pack(order + "IH", 8, 2) + make + tag + bytes(4)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunk(png: bytes, name: bytes, data: bytes, *, last: bool = False) -> bytes:
    at = png.rindex(b"IEND") - 4 if last else 33
    return png[:at] + chunk(name, data) + png[at:]


def raw_png(values: Any, depth: int, colour: int) -> bytes:
    """A PNG of rows that Pillow doesn't write: 16 bits of colours, 2 and 4 bits of grey."""
    height, width = values.shape[:2]
    if depth < 8:
        per = 8 // depth
        wide = np.pad(values, ((0, 0), (0, -width % per))).reshape(height, -1, per)
        rows = (wide << np.arange(8 - depth, -1, -depth)).sum(-1).astype(np.uint8)
    else:
        rows = values.astype(">u2")
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def good() -> Iterator[tuple[str, bytes]]:
    """Files that a served model decodes as `preprocessing` does, by what they are."""
    image = photo()
    yield from _jpegs(image)
    yield from _pngs(image)
    alpha = _with_alpha(image)
    for lossless in (False, True):
        yield f"webp lossless={lossless}", saved(image, "WEBP", lossless=lossless)
        yield f"webp alpha lossless={lossless}", saved(alpha, "WEBP", lossless=lossless)
    yield "webp exif", saved(image, "WEBP", exif=exif(6))
    yield "webp alpha exif", saved(alpha, "WEBP", exif=exif(8)[6:])
    yield "webp xmp", saved(image, "WEBP", xmp=b'<x tiff:Orientation="4"/>')
    few = image.quantize(40)
    yield "gif", saved(image, "GIF")
    yield "gif grey", saved(image.convert("L"), "GIF")
    yield "gif transparent", saved(few, "GIF", transparency=5)
    yield "gif alpha", saved(alpha, "GIF")
    more = {"save_all": True, "append_images": [image.rotate(180)], "comment": b"hello,,;;!"}
    yield "gif animated", saved(image, "GIF", **more)
    flat = saved(image, "BMP")
    yield "bmp", flat
    yield "bmp 32 bits", saved(alpha, "BMP")
    yield "bmp top down", flat[:22] + struct.pack("<i", -HEIGHT) + flat[26:]


def _jpegs(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    for quality in (30, 95):
        for subsampling in range(3):
            yield f"jpeg {quality} {subsampling}", saved(image, "JPEG", quality=quality, subsampling=subsampling)
    yield "jpeg progressive", saved(image, "JPEG", progressive=True)
    yield "jpeg grey", saved(image.convert("L"), "JPEG")
    yield "jpeg rgb", saved(image, "JPEG", keep_rgb=True)
    yield "jpeg comment", saved(image, "JPEG", comment=b"\xff\xd8" * 50)
    for value in range(10):
        for order in "<>":
            yield f"jpeg exif {value} {order}", saved(image, "JPEG", exif=exif(value, order))
    for kind, count in ((4, 1), (1, 1), (3, 2), (3, 9), (2, 1), (99, 1)):
        both = {"exif": exif(6, "<", kind, count), "xmp": b'<x tiff:Orientation="8"/>'}
        yield f"jpeg exif of type {kind} x {count}, and xmp", saved(image, "JPEG", **both)
    yield "jpeg exif damaged", saved(image, "JPEG", exif=b"Exif\0\0II*\0garbage")
    yield "jpeg xmp", saved(image, "JPEG", xmp=b"\xff\n<tiff:Orientation>3</tiff:Orientation>")
    turned = saved(image, "JPEG", exif=exif(6))
    yield "jpeg padded", turned[:2] + b"\xff\xff" + turned[2:]


def _pngs(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    grey, alpha, few = image.convert("L"), _with_alpha(image), image.quantize(9)
    pixel = image.getpixel((5, 5))
    plain = saved(image, "PNG")
    yield "png", plain
    yield "png alpha", saved(alpha, "PNG")
    yield "png grey", saved(grey, "PNG")
    yield "png grey alpha", saved(alpha.convert("LA"), "PNG")
    yield "png 1 bit", saved(image.convert("1"), "PNG")
    yield "png 1 bit transparent", saved(image.convert("1"), "PNG", transparency=1)
    yield "png palette", saved(image.quantize(200), "PNG")
    yield "png palette of 4 bits", saved(few, "PNG", bits=4)
    yield "png palette transparent", saved(few, "PNG", bits=4, transparency=2)
    yield "png palette with alphas", saved(few, "PNG", transparency=bytes(range(0, 250, 30)))
    yield "png transparent", saved(image, "PNG", transparency=pixel)
    yield "png grey transparent", saved(grey, "PNG", transparency=grey.getpixel((5, 5)))
    for value in (3, 6, 7):
        yield f"png exif {value}", saved(image, "PNG", exif=exif(value)[6:])
    yield "png exif behind its pixels", with_chunk(plain, b"eXIf", exif(6)[6:], last=True)
    yield "png xmp", with_chunk(plain, b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + b'<x tiff:Orientation="5"/>')
    wide = np.asarray(alpha).astype(np.uint16) * 256 + 117
    for name, colour, values in (("grey", 0, wide[..., 0]), ("rgb", 2, wide[..., :3]), ("rgba", 6, wide)):
        yield f"png {name} of 16 bits", raw_png(values, 16, colour)
    for bits in (2, 4):
        yield f"png grey of {bits} bits", raw_png(np.asarray(grey) >> (8 - bits), bits, 0)


def _with_alpha(image: Image.Image) -> Image.Image:
    y, x = np.mgrid[: image.height, : image.width]
    found = image.convert("RGBA")
    found.putalpha(Image.fromarray(((2 * (x + y)) % 256 * (y > 9)).astype(np.uint8)))
    return found


def refused() -> dict[str, tuple[bytes, str]]:
    """Files that it refuses, and a word of the reason."""
    image = photo()
    png = saved(image, "PNG")
    deep = raw_png(np.asarray(image.convert("L")).astype(np.uint16) * 257, 16, 0)
    animation = saved(image, "WEBP", save_all=True, append_images=[image.rotate(180)], lossless=True)
    gif = saved(image, "GIF")
    scans = saved(image, "JPEG", progressive=True)
    return {
        "cmyk": (saved(image.convert("CMYK"), "JPEG"), "CMYK"),
        "16 bits and transparent": (with_chunk(deep, b"tRNS", b"\1\1"), "16 bits"),
        "2 bits and transparent": (
            with_chunk(raw_png(np.ones((9, 9), np.uint8), 2, 0), b"tRNS", b"\0\1"),
            "2 or 4 bits",
        ),
        "an animated WebP": (animation, "animated"),
        "a GIF in part": (gif[:6] + struct.pack("<HH", WIDTH + 1, HEIGHT) + gif[10:], "canvas"),
        "a BMP with a palette": (saved(image.quantize(9), "BMP"), "BMP"),
        "a TIFF": (saved(image, "TIFF"), "not an image of a kind"),
        "a text": (b"hello", "not an image of a kind"),
        "nothing": (b"", "not an image of a kind"),
        "too large": (png[:16] + struct.pack(">II", 20_000, 20_000) + png[24:], "too large"),
        "too large with alpha": (png[:16] + struct.pack(">IIBB", 9_000, 9_000, 8, 6) + png[26:], "too large"),
        "many chunks": (with_chunk(png, b"tEXt", b"")[:45] + 9_000 * chunk(b"tEXt", b"") + png[33:], "parts"),
        "many scans": (scans[:-2] + 9_000 * b"\xff\xda\0\2" + scans[-2:], "scans"),
        "half a JPEG": (saved(image, "JPEG")[:1200], "JPEG"),
        "half a PNG": (png[: len(png) // 2], "PNG"),
    }
