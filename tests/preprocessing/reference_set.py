"""The reference set: images of every kind that `decode` has a rule for, made in code, and the bytes that they become.

    check()          what differs here from the stored hashes: nothing, on every machine and in every worker
    images()       name -> the bytes of a file

`reference.json` has, for each image, the SHA-256 of the file and of the uint8 arrays under each of `SIGNATURES`. A
file whose own hash differs was written by another encoder (another Pillow): its pixels say nothing then, unless the
format is lossless. `python tests/preprocessing/reference_set.py` writes the hashes anew.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.preprocessing.pixels import prepare
from bakeoff.preprocessing.signature import Signature

if TYPE_CHECKING:
    from PIL import Image

STORED = Path(__file__).with_name("reference.json")
LOSSY = ("jpeg", "webp-lossy", "mpo", "tiff-jpeg")  # starts of names whose pixels hang on the encoder
SIGNATURES = {
    "stretch": Signature((32, 40)),
    "crop": Signature((24, 24), fit="crop", resize="bicubic", resize_to=28),
    "grey": Signature((28, 28), channels=1, fit="crop", resize="lanczos"),
    "scaled": Signature((20, 20), resize="bicubic", scaled_decode=True),
}
HEIGHT, WIDTH = 61, 83  # odd, and no multiple of a JPEG's blocks


class Difference(NamedTuple):
    """An image that doesn't become the stored bytes; `encoder`: its file isn't the stored one either."""

    image: str
    signature: str
    encoder: bool


def check() -> list[Difference]:
    """Where this process's bytes differ from the stored ones."""
    stored, here = json.loads(STORED.read_text("utf-8")), hashes()
    found = []
    for name in sorted(stored.keys() | here.keys()):
        expected, came = stored.get(name, {}), here.get(name, {})
        encoder = expected.get("file") != came.get("file")
        found += [Difference(name, key, encoder) for key in SIGNATURES if expected.get(key) != came.get(key)]
    return [each for each in found if not (each.encoder and each.image.startswith(LOSSY))]


def hashes() -> dict[str, dict[str, str]]:
    """By image: SHA-256 (hex, the first 32 digits) of the file and of the array under each signature."""
    found = {}
    for name, data in images().items():
        arrays = {key: prepare(data, signature).tobytes() for key, signature in SIGNATURES.items()}
        found[name] = {key: hashlib.sha256(value).hexdigest()[:32] for key, value in {"file": data, **arrays}.items()}
    return found


def images() -> dict[str, bytes]:
    """Files by name; the same bytes each time."""
    makers: tuple[Callable[[], Iterator[tuple[str, bytes]]], ...] = (
        _orientations,
        _depths,
        _colours,
        _transparent,
        _frames,
        _sizes,
    )
    return dict(pair for make in makers for pair in make())


def pattern(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """(height, width, 3): slopes, a frame and a disc, by whole numbers alone; no two corners are alike."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    red, green, blue = 255 * x // max(width - 1, 1), 255 * y // max(height - 1, 1), (7 * x + 11 * y) % 256
    image = np.stack([red, green, blue], axis=-1)
    disc = (2 * x - width // 2) ** 2 + (2 * y - height // 2) ** 2 < (min(height, width) // 2) ** 2
    image[disc] = 255 - image[disc]
    image[: height // 8, : width // 2] = (250, 20, 40)
    return image.astype(np.uint8)


def _rgb(height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    from PIL import Image

    return Image.fromarray(pattern(height, width))


def _saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def _exif(orientation: int) -> bytes:
    """The smallest EXIF block that says an orientation."""
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def _orientations() -> Iterator[tuple[str, bytes]]:
    for turn in range(1, 9):
        yield f"jpeg-orientation-{turn}", _saved(_rgb(), "JPEG", quality=90, exif=_exif(turn))
        yield f"jpeg-large-orientation-{turn}", _saved(_rgb(333, 447), "JPEG", quality=80, exif=_exif(turn))
        yield f"png-orientation-{turn}", _saved(_rgb(), "PNG", exif=_exif(turn))
        yield f"webp-orientation-{turn}", _saved(_rgb(), "WEBP", lossless=True, exif=_exif(turn))
        yield f"tiff-orientation-{turn}", _saved(_rgb(), "TIFF", tiffinfo={0x0112: turn})
    yield "jpeg-orientation-0", _saved(_rgb(), "JPEG", exif=_exif(0))
    yield "jpeg-orientation-9", _saved(_rgb(), "JPEG", exif=_exif(9))
    yield "jpeg-exif-damaged", _saved(_rgb(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")


def _depths() -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    grey = _rgb().convert("L")
    bits = Image.fromarray((np.asarray(grey) > 127).astype(np.uint8) * 255).convert("1", dither=Image.Dither.NONE)
    for form in ("PNG", "TIFF", "BMP", "GIF", "PPM"):
        yield f"{form.lower()}-1-bit", _saved(bits, form)
    yield "tiff-1-bit-group4", _saved(bits, "TIFF", compression="group4")
    for form in ("PNG", "TIFF", "BMP", "GIF", "PPM", "JPEG"):
        yield f"{form.lower()}-8-bit-grey", _saved(grey, form)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    deep = (65535 * (x + y) // (HEIGHT + WIDTH - 2)).astype(np.uint16)
    yield "png-16-bit-grey", _saved(Image.fromarray(deep), "PNG")
    yield "tiff-16-bit-grey", _saved(Image.fromarray(deep), "TIFF")
    yield "ppm-16-bit-grey", b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + deep.astype(">u2").tobytes()
    wide = np.stack([deep, deep[::-1], deep[:, ::-1]], axis=-1).astype(">u2")
    yield "png-16-bit-rgb", _png(wide.reshape(HEIGHT, -1).view(np.uint8), 16, 2)
    yield "ppm-16-bit-rgb", b"P6 %d %d 65535\n" % (WIDTH, HEIGHT) + wide.tobytes()


def _png(rows: NDArray[np.uint8], depth: int, colour: int) -> bytes:
    """A PNG of rows as they are; Pillow writes no RGB of 16 bits."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    body = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body, 0)) + chunk(b"IEND", b"")


def _colours() -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    rgb = _rgb()
    for form in ("PNG", "TIFF", "BMP", "PPM"):
        yield f"{form.lower()}-rgb", _saved(rgb, form)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"tiff-{compression.removeprefix('tiff_')}", _saved(rgb, "TIFF", compression=compression)
    yield "tiff-jpeg", _saved(rgb, "TIFF", compression="jpeg")
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"jpeg-{name}", _saved(rgb, "JPEG", subsampling=sampling, quality=85)
    yield "jpeg-progressive", _saved(rgb, "JPEG", progressive=True)
    yield "jpeg-large-progressive", _saved(_rgb(333, 447), "JPEG", progressive=True)
    yield "jpeg-large-grey", _saved(_rgb(333, 447).convert("L"), "JPEG")
    yield "jpeg-restart", _saved(rgb, "JPEG", restart_marker_blocks=2)
    yield "webp-lossy", _saved(rgb, "WEBP", quality=80)
    yield "webp-lossless", _saved(rgb, "WEBP", lossless=True)
    steps = Image.fromarray(pattern() // 64 * 85)
    palette = steps.quantize(64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    for form in ("PNG", "GIF", "TIFF", "BMP"):
        yield f"{form.lower()}-palette", _saved(palette, form)
    cmyk = Image.fromarray(np.dstack([pattern(), pattern()[::-1, :, 0]]), mode="CMYK")
    yield "jpeg-cmyk", _saved(cmyk, "JPEG")
    yield "tiff-cmyk", _saved(cmyk, "TIFF")
    profile = b"\0\0\0\x80bakeoff " + b"\0" * 116
    yield "png-icc", _saved(rgb, "PNG", icc_profile=profile)
    yield "jpeg-icc", _saved(rgb, "JPEG", icc_profile=profile)
    yield "webp-icc", _saved(rgb, "WEBP", lossless=True, icc_profile=profile)


def _transparent() -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    alpha = Image.fromarray(pattern()[:, ::-1, 0].copy())
    rgba, grey = _rgb(), _rgb().convert("L")
    rgba.putalpha(alpha)
    for form in ("PNG", "TIFF"):
        yield f"{form.lower()}-rgba", _saved(rgba, form)
    yield "webp-rgba", _saved(rgba, "WEBP", lossless=True, exact=True)
    grey_alpha = grey.copy()
    grey_alpha.putalpha(alpha)
    yield "png-la", _saved(grey_alpha, "PNG")
    yield "png-colour-key", _saved(_rgb(), "PNG", transparency=(250, 20, 40))
    yield "png-grey-key", _saved(grey, "PNG", transparency=int(np.asarray(grey)[0, 0]))
    palette = _rgb().quantize(16, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    yield "png-palette-key", _saved(palette, "PNG", transparency=3)
    yield "png-palette-alpha", _saved(palette, "PNG", transparency=bytes(range(0, 256, 16)))
    yield "gif-transparent", _saved(palette, "GIF", transparency=3)
    rgba.putalpha(0)
    yield "png-all-transparent", _saved(rgba, "PNG")


def _frames() -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    first, second = _rgb(), Image.fromarray(255 - pattern())
    several: dict[str, Any] = {"save_all": True, "append_images": [second]}
    yield "png-animated", _saved(first, "PNG", **several, duration=100)
    yield "webp-animated", _saved(first, "WEBP", **several, lossless=True, duration=100)
    palettes = [
        image.quantize(32, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE) for image in (first, second)
    ]
    yield "gif-animated", _saved(palettes[0], "GIF", save_all=True, append_images=palettes[1:], duration=100)
    yield "tiff-pages", _saved(first, "TIFF", **several)
    yield "mpo", _saved(first, "MPO", **several)


def _sizes() -> Iterator[tuple[str, bytes]]:
    for height, width in ((1, 1), (1, 10_000), (10_000, 1), (2, 3), (8, 8), (16, 17)):
        for form in ("PNG", "JPEG"):
            yield f"{form.lower()}-{height}x{width}", _saved(_rgb(height, width), form)


if __name__ == "__main__":
    STORED.write_text(json.dumps(hashes(), indent=0, sort_keys=True) + "\n", "utf-8")
