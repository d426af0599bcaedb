"""Sixty archives that want to do harm, and a few that are only damaged; each as (name, bytes)."""

from __future__ import annotations

import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Iterator

IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(40)
NAMES = (
    "../evil.png",
    "a/../../evil.png",
    "/tmp/evil-bakeoff.png",
    "//tmp/evil-bakeoff.png",
    "a/../../../../../../../../tmp/evil-bakeoff.png",
    "..",
    "a/..",
    "..\\evil.png",
    "C:/evil.png",
    "C:\\evil.png",
    "a/b\\..\\..\\evil.png",
    "a/" + "x" * 300 + ".png",
    "d/" * 600 + "x.png",
    "a/new\nline.png",
    "a/bell\x07.png",
)


def tar(*members: tuple[str, bytes | None, bytes, str], mode: str = "w") -> bytes:
    """(name, content, type, link name) of each member."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for name, content, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue()


def file(name: str, content: bytes = IMAGE) -> tuple[str, bytes, bytes, str]:
    return name, content, tarfile.REGTYPE, ""


def zipped(*members: tuple[str, bytes, int], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """(name, content, mode) of each member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, method
            archive.writestr(info, content)
    return stream.getvalue()


def links() -> Iterator[tuple[str, bytes]]:
    for kind, name in (
        (tarfile.SYMTYPE, "symbolic"),
        (tarfile.LNKTYPE, "hard"),
        (tarfile.CHRTYPE, "character"),
        (tarfile.BLKTYPE, "block"),
        (tarfile.FIFOTYPE, "fifo"),
        (b"S", "sparse"),
        (b"V", "volume"),
        (b"M", "multivolume"),
    ):
        yield f"{name}.tar", tar(file("a/1.png"), ("a/2.png", None, kind, "/etc/passwd"))
    yield "through-a-link.tar", tar(("a", None, tarfile.SYMTYPE, "/tmp"), file("a/evil-bakeoff.png"))
    yield "parent-link.tar", tar(("a", None, tarfile.SYMTYPE, ".."), file("a/evil.png"))
    yield (
        "link-chain.tar",
        tar(("a", None, tarfile.SYMTYPE, "b"), ("b", None, tarfile.SYMTYPE, "../.."), file("a/evil.png")),
    )
    yield "hard-out.tar", tar(("a/1.png", None, tarfile.LNKTYPE, "../../evil.png"), file("a/1.png"))
    yield "link.zip", zipped(("a", b"/etc", 0o120777), ("a/evil.png", IMAGE, 0o100644))
    yield "device.zip", zipped(("a/null", b"", 0o020666))
    yield "fifo.zip", zipped(("a/pipe", b"", 0o010666))
    yield "socket.zip", zipped(("a/socket", b"", 0o140666))


def bombs() -> Iterator[tuple[str, bytes]]:
    zeros = bytes(150 << 20)
    yield "bomb.zip", zipped(("a/1.png", zeros, 0o100644))
    yield "bomb.tar.gz", gzip.compress(tar(file("a/1.png", zeros)), 1)
    yield "bomb.tar.xz", lzma.compress(tar(file("a/1.png", zeros)), preset=0)
    yield "many.tar.gz", gzip.compress(tar(*(file(f"a/{i}.png", zeros[: 2 << 20]) for i in range(80))), 1)
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 200 << 20
    yield "long-header.tar.gz", gzip.compress(header.tobuf() + zeros + zeros[: 60 << 20], 1)
    header.type = tarfile.GNUTYPE_LONGNAME
    yield "long-name.tar.gz", gzip.compress(header.tobuf() + zeros + zeros[: 60 << 20], 1)
    small = zipped(("a/1.png", zeros[: 1 << 20], 0o100644))
    yield "lying-size.zip", small.replace(struct.pack("<I", 1 << 20), struct.pack("<I", 10))
    yield "overlap.zip", overlapping()


def overlapping() -> bytes:
    """A directory in which 2,000 members share one compressed megabyte."""
    base = zipped(("a/0000.png", bytes(1 << 20), 0o100644))
    start = base.index(b"PK\1\2")
    end = base.index(b"PK\5\6")
    entry = base[start:end]
    entries = b"".join(entry.replace(b"a/0000.png", b"a/%04d.png" % i) for i in range(2000))
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2000, 2000, len(entries), start, 0)
    return base[:start] + entries + tail


def collisions() -> Iterator[tuple[str, bytes]]:
    yield "twice.tar", tar(file("a/1.png"), file("a/1.png", b"other"))
    yield "twice.zip", _twice()
    yield "file-as-folder.tar", tar(file("a"), file("a/1.png"))
    yield "folder-as-file.tar", tar(file("a/1.png"), file("a"))
    yield "dot-twice.tar", tar(file("a/1.png"), file("a/./1.png"))


def _twice() -> bytes:
    return zipped(("a/1.png", IMAGE, 0o100644), ("a/2.png", b"other", 0o100644)).replace(b"a/2.png", b"a/1.png")


def damaged() -> Iterator[tuple[str, bytes]]:
    good_tar = tar(*(file(f"a/{i}.png", bytes([i]) * 3000) for i in range(9)))
    good_zip = zipped(*((f"a/{i}.png", bytes([i]) * 3000, 0o100644) for i in range(9)))
    yield "cut.tar", good_tar[:9000]
    yield "cut.zip", good_zip[: len(good_zip) // 2]
    yield "cut.tar.gz", gzip.compress(good_tar)[:200]
    yield "empty.zip", b""
    yield "text.tar", b"this is no archive " * 60
    yield "text.zip", b"this is no archive " * 60
    encrypted = bytearray(good_zip)
    for start in _places(good_zip, b"PK\1\2"):
        encrypted[start + 8] |= 1
    yield "encrypted.zip", bytes(encrypted)
    wrong = bytearray(good_zip)
    for start in _places(good_zip, b"PK\1\2"):
        wrong[start + 16] ^= 0xFF
    yield "wrong-sum.zip", bytes(wrong)


def _places(data: bytes, what: bytes) -> list[int]:
    return [at for at in range(len(data)) if data.startswith(what, at)]


def every() -> Iterator[tuple[str, bytes]]:
    """All of them."""
    for index, name in enumerate(NAMES):
        yield f"name{index}.tar", tar(file("a/1.png"), file(name))
    for index, name in enumerate(NAMES[:8]):
        yield f"name{index}.zip", zipped(("a/1.png", IMAGE, 0o100644), (name, IMAGE, 0o100644))
    yield from links()
    yield from bombs()
    yield from collisions()
    yield from damaged()


def mutations(count: int) -> Iterator[tuple[str, bytes]]:
    """Seeded: bytes of good archives changed at random; some are still good."""
    draw = random.Random(12)
    members = [(f"a/{i}.png", bytes([i]) * 700) for i in range(5)]
    good_zip = zipped(*((name, content, 0o100644) for name, content in members))
    good_tar = tar(*(file(*member) for member in members))
    kinds = ((good_zip, "zip"), (good_tar, "tar"), (gzip.compress(good_tar), "tar.gz"))
    for index in range(count):
        good, suffix = kinds[index % 3]
        data = bytearray(good)
        for _ in range(draw.randint(1, 12)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        yield f"mutation{index}.{suffix}", bytes(data)
