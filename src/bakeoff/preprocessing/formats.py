"""Which files are images: by suffix, by what a download made of it, or by the first bytes where a name says nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bakeoff.files import regular

SUFFIXES_OF = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WebP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PNM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG 2000": (".jp2", ".j2k"),
    "AVIF": (".avif",),
    "HEIC": (".heic", ".heif", ".hif"),
}
SUFFIXES = frozenset(suffix for suffixes in SUFFIXES_OF.values() for suffix in suffixes)
_NOT_READ = re.compile(r"\.(psd|xcf|svg|eps|ico|tga|pcx|jxl|exr|hdr|dcm|cr[23]|nef|arw|dng|orf|rw2|raf|raw)")

_TEXT = re.compile(r"\.(txt|csv|tsv|jsonl?|xml|ya?ml|toml|md|html?|py|log|np[yz]|pkl)")
_DOWNLOADED = re.compile(r"(\.(?:jpe?g|png|gif|webp))[_:!?@-][^./\\]*", re.IGNORECASE)  # 1.jpg_large, 1.jpg?w=300
_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
)
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"mif1"), "HEIC")}


def suffix_of(name: str) -> str:
    """The suffix in small letters, without what a download hung onto it; "" for none."""
    suffix = os.path.splitext(name)[1].lower()
    match = _DOWNLOADED.fullmatch(suffix)
    return match[1].lower() if match else suffix


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether a file is an image by its suffix; by its first bytes where it has none."""
    suffix = suffix_of(os.path.basename(path))
    return suffix in SUFFIXES or (not suffix and bool(format_of(path)))


def meant_as_image(path: Path) -> bool:
    """Whether a file that isn't taken for an image shows one all the same: by its suffix, or its first bytes."""
    suffix = suffix_of(path.name)
    if is_image(path) or _TEXT.fullmatch(suffix):
        return False
    return _NOT_READ.fullmatch(suffix) is not None or bool(format_of(path))


def format_of(path: str | os.PathLike[str]) -> str:
    """The format by the first bytes; "" for one not known here."""
    try:
        with regular(path) as file:
            return sniff(file.read(16))
    except OSError:
        return ""


def sniff(head: bytes) -> str:
    """The format that these first bytes belong to; "" for one not known here."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PNM"
    return next((name for start, name in _STARTS if head.startswith(start)), "")
