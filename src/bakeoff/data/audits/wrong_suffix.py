"""Files whose suffix says another format than their content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.errors import DataError
from bakeoff.preprocessing import read_header

KINDS = (
    Kind(
        "wrong_suffix",
        60,
        "The suffix names another format than the content has.",
        "扩展名与内容的格式不符。",
        imaged=True,
    ),
)

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WebP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PNM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG 2000": (".jp2", ".j2k"),
    "AVIF": (".avif",),
}


def find(subject: Subject) -> Iterator[Finding]:
    """Images by another name (they can be trained on), and images that are left out for their suffix."""
    if subject.table.root is None:
        return
    for row in subject.good.tolist():
        path = str(subject.table.paths[row])
        kind = format_of(subject.file(row))
        suffix = os.path.splitext(path)[1].lower()
        if kind and suffix and suffix not in _SUFFIXES[kind]:
            yield Finding("wrong_suffix", path, f"{kind} by its content; the suffix says {suffix[1:].upper()}", (row,))
    for path in subject.table.others:
        place = subject.table.root / path
        kind = format_of(place) if place.is_file() and not place.is_symlink() else ""
        suffix = os.path.splitext(path)[1].lower()
        if kind and suffix not in _SUFFIXES[kind] and _readable(place):
            yield Finding("wrong_suffix", path, f"left out: {kind} by its content, but {suffix or 'no suffix'} by name")


def _readable(place: Path) -> bool:
    try:
        read_header(place)
    except DataError:
        return False
    return True


def format_of(path: Path) -> str:
    """The format by the first bytes; "" for one not known here."""
    try:
        with path.open("rb") as file:
            return sniff(file.read(16))
    except OSError:
        return ""


def sniff(head: bytes) -> str:
    """The format that these first bytes belong to; "" for one not known here."""
    starts = (
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF8", "GIF"),
        (b"BM", "BMP"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
    )
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PNM"
    return next((name for start, name in starts if head.startswith(start)), "")
