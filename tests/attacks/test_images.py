"""Small files that would cost minutes or gigabytes to decode: named, counted as bad, and the folder goes on."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bakeoff.data import read_data
from bakeoff.data.hashing import look_at
from bakeoff.errors import BadFilesError, DataError
from bakeoff.preprocessing import decode
from bakeoff.preprocessing._work import LARGEST_FILE, LARGEST_PIXELS, SCANNED, STRIPS, TEXT

MANY = 400_000


def saved(kind: str, size: tuple[int, int] = (8, 8), mode: str = "RGB", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind, **options)
    return stream.getvalue()


def scans(times: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    content = saved("JPEG", (1024, 1024), progressive=True)
    at, end = content.rfind(b"\xff\xda"), content.rfind(b"\xff\xd9")
    return content[:end] + content[at:end] * times + content[end:]


def in_jpeg(parts: bytes) -> bytes:
    return b"\xff\xd8" + parts + saved("JPEG")[2:]


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def in_png(parts: bytes) -> bytes:
    content = saved("PNG")
    return content[:33] + parts + content[33:]


def in_gif(parts: bytes) -> bytes:
    return b"GIF89a\x08\0\x08\0\x80\0\0" + bytes(6) + parts + b",\0\0\0\0\x08\0\x08\0\0\x02\x02\x84\x51\0;"


def in_jpeg_2000(parts: bytes) -> bytes:
    content = saved("JPEG2000", no_jp2=True)
    at = content.find(b"\xff\x52")
    return content[:at] + parts + content[at:]


def wide_jpeg_2000() -> bytes:
    """With alpha, of 7,000 x 7,000 pixels by its head alone."""
    content = bytearray(saved("JPEG2000", (8, 8), "RGBA", no_jp2=True))
    content[8:16] = struct.pack(">II", 7000, 7000)
    return bytes(content)


def boxes() -> bytes:
    content = saved("JPEG2000")
    return content[:12] + b"\0\0\0\x08abcd" * MANY + content[12:]


def strips(count: int) -> bytes:
    rows = [(256, 4, 1, 8), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    rows += [(273, 4, count, 122), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, count, 122 + 4 * count)]
    head = b"II*\0\x08\0\0\0\x09\0" + b"".join(struct.pack("<HHII", *row) for row in rows) + bytes(4)
    return head + struct.pack("<I", 122) * count + struct.pack("<I", 8) * count


def runs(head: bytes) -> bytes:
    return head + struct.pack("<IiiHHIIiiII", 40, 9000, 9000, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(1024) + b"\1\0" * TEXT


EXIF = b"\xff\xe1" + struct.pack(">H", 60_000) + b"Exif\0\0" + bytes(59_992)
ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "scans": (lambda: scans(SCANNED >> 20), "2,8[67]. scans"),
    "fillings": (lambda: in_jpeg(b"\xff" * MANY), "parts"),
    "segments": (lambda: in_jpeg(b"\xff\xec\0\x02" * MANY), "parts"),
    "EXIF": (lambda: in_jpeg(EXIF * 40), "EXIF"),
    "chunks": (lambda: in_png(chunk(b"abCd") * MANY), "parts"),
    "chunks of pixels": (lambda: in_png(chunk(b"IDAT") * MANY), "parts"),
    "profiles": (lambda: in_png(chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 20))) * 40), "profiles"),
    "comments": (lambda: in_gif(b"!\xfe\x01a\0" * MANY), "parts"),
    "extensions": (lambda: in_gif(b"!\xfe" + b"\x01a" * MANY + b"\0"), "parts"),
    "noughts": (lambda: in_gif(bytes(MANY)), "parts"),
    "markers": (lambda: in_jpeg_2000(b"\xff\x55\0\x02" * MANY), "parts"),
    "boxes": (boxes, "parts"),
    "strips": (lambda: strips(STRIPS + 1), "200,001 strips"),
    "tags": (lambda: b"MM\0*\0\0\0\x08\xff\xff" + bytes(12 * 65_535), "parts"),
    "a comment": (lambda: b"P6\n#" + b"a" * MANY + b"\n8 8\n255\n" + bytes(192), "comment"),
    "pixels as text": (lambda: b"P3\n3000 3000\n255\n" + b"1 " * (TEXT // 2), "long text"),
    "comments among pixels": (lambda: b"P2\n900 900\n255\n" + b"#\n1 " * MANY, "long text"),
    "runs": (lambda: runs(b"BM" + bytes(12)), "runs"),
    "runs without a head": (lambda: runs(b""), "runs"),
    "alpha": (lambda: saved("PNG", (8000, 8000), "RGBA", compress_level=1), "too large .8000 x 8000"),
    "alpha and a codec": (wide_jpeg_2000, "too large .7000 x 7000"),
    "a codec": (lambda: saved("WEBP", (8000, 8000), method=0), "too large .8000 x 8000"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_named_before_it_is_decoded(attack: str, tmp_path: Path) -> None:
    make, says = ATTACKS[attack]
    (tmp_path / "a.png").write_bytes(make())
    found = look_at(tmp_path / "a.png").reason
    with pytest.raises(DataError, match=says):
        decode(tmp_path / "a.png")
    assert found.startswith(("costs too much to decode", "too large")), found


def test_what_cameras_and_editors_write_is_no_attack() -> None:
    icc = b"\xff\xe2" + struct.pack(">H", 60_000) + b"ICC_PROFILE\0\1\x40" + bytes(59_984)
    for content in (
        scans(90),
        in_jpeg(EXIF + icc * 64),
        in_jpeg(b"\xff" * 2_000),
        in_png(chunk(b"IDAT", b"")),
        strips(9),
    ):
        decode(content)
    decode(saved("PNG", (600, 600), "RGBA") + bytes(1 << 20))
    assert LARGEST_PIXELS == 178_956_970


def test_the_rest_of_the_folder_goes_on(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.new("L", (8, 8), 20 * number + (name == "b")).save(tmp_path / name / f"{number}.png")
    (tmp_path / "a/scans.jpg").write_bytes(scans(SCANNED >> 20))
    (tmp_path / "b/hole.jpg").write_bytes(b"\xff\xd8\xff")
    os.truncate(tmp_path / "b/hole.jpg", LARGEST_FILE + 1)
    with pytest.raises(BadFilesError, match="2 files are not a readable image"):
        read_data(tmp_path)
    data = read_data(tmp_path, bad_files="exclude")
    assert len(data) == 12
    assert [path for path, _ in data.excluded] == ["a/scans.jpg", "b/hole.jpg"]
