"""Faults for the tests of the audit: planted among real or drawn images, and mutations of image files."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image


def photo(seed: int, size: tuple[int, int] = (96, 128)) -> Image.Image:
    """An image of a few soft shapes: different seeds look different."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def bomb() -> bytes:
    """A PNG that says it has 3.6 gigapixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def plant(root: Path) -> dict[tuple[str, str], str]:
    """Eleven faults in a folder with splits `train` and `test`, by (kind, path); what each is about."""
    classes = sorted(path.name for path in (root / "train").iterdir() if path.is_dir())
    a, b = classes[:2]
    files = {name: sorted((root / "train" / name).iterdir()) for name in classes}

    def write(place: str, content: bytes) -> str:
        (root / place).write_bytes(content)
        return place

    with Image.open(files[a][1]) as image:
        rgb = image.convert("RGB")
    smaller = rgb.resize((rgb.width * 3 // 4, rgb.height * 3 // 4))
    with Image.open(files[a][2]) as image:
        turned = image.convert("RGB").rotate(90, expand=True)
    good = files[a][3].read_bytes()
    planted = {
        ("empty", write(f"train/{a}/zero.jpg", b"")): "",
        ("truncated", write(f"train/{a}/cut.jpg", good[: len(good) // 2])): "",
        ("not_a_picture", write(f"train/{b}/note.jpg", b"no image, but text\n" * 30)): "",
        ("unreadable", write(f"train/{b}/hurt.jpg", good[:20] + bytes(len(good) - 20))): "",
        ("too_large", write(f"train/{a}/bomb.png", bomb())): "",
        ("wrong_suffix", write(f"train/{b}/png.jpg", encoded(turned, "PNG"))): "PNG",
        ("hidden", write(f"train/{a}/.DS_Store", b"Bud1")): "",
        ("duplicate", write(f"train/{a}/again.jpg", files[a][4].read_bytes())): files[a][4].name,
        ("near_duplicate", write(f"train/{a}/smaller.jpg", encoded(smaller, quality=60))): files[a][1].name,
        ("duplicate_label", write(f"train/{b}/both.jpg", files[a][5].read_bytes())): files[a][5].name,
        ("leak", write(f"test/{a}/leak.jpg", files[a][6].read_bytes())): files[a][6].name,
    }
    return planted


def mutations(files: list[bytes], count: int) -> Iterator[bytes]:
    """Seeded: bytes changed, cut, doubled, swapped, zeroed, inserted in real files."""
    draw = random.Random(7)
    for index in range(count):
        data = bytearray(files[index % len(files)])
        for _ in range(draw.choice((1, 1, 3, 30))):
            place, length = draw.randrange(max(len(data), 1)), draw.randint(1, 200)
            kind = draw.randrange(6)
            if kind == 0 and data:
                data[place] = draw.randrange(256)
            elif kind == 1:
                del data[place : place + length]
            elif kind == 2:
                data[place:place] = data[place : place + length]
            elif kind == 3:
                data[place : place + length] = bytes(len(data[place : place + length]))
            elif kind == 4:
                data[place:place] = draw.randbytes(length)
            else:
                data = data[: max(place, 8)]
        yield bytes(data)
