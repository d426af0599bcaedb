"""Files that can't be trained on: empty, no image at all, too large, cut short, damaged."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.preprocessing import format_of

NOT_A_IMAGE = Kind(
    "not_a_picture", 40, "Files that are no images, or show nothing.", "不是图片，或看不出内容的文件。", imaged=True
)
KINDS = (
    Kind(
        "unreadable",
        10,
        "Damaged or unreadable files. They can't be trained on.",
        "已损坏或无法读取的文件，不能用于训练。",
    ),
    Kind(
        "truncated",
        20,
        "Images that are cut off. They can't be trained on; get them anew.",
        "残缺不全的图片，不能用于训练，请重新获取。",
        imaged=True,
    ),
    Kind("empty", 30, "Files of 0 bytes. They can't be trained on.", "0 字节的文件，不能用于训练。"),
    NOT_A_IMAGE,
    Kind(
        "too_large",
        50,
        "More pixels than any photo has: a bomb, or a mosaic. They can't be trained on.",
        "像素多得不像照片：压缩炸弹或拼图，不能用于训练。",
    ),
)

_STARTS = (
    ("empty", "empty"),
    ("truncated", "truncated"),
    ("too large", "too_large"),
    ("text, not", "not_a_picture"),
    ("not a known", "not_a_picture"),
)


def find(subject: Subject) -> Iterator[Finding]:
    """One finding a file, with the decoder's reason."""
    for row, reason in subject.bad.items():
        kind = kind_of(reason)
        if reason.startswith("not a known") and (name := format_of(subject.file(row))):
            kind, reason = "unreadable", f"damaged (begins as {name})"
        yield Finding(kind, str(subject.table.paths[row]), reason, (row,))


def kind_of(reason: str) -> str:
    """The kind of a decoder's reason."""
    return next((kind for start, kind in _STARTS if reason.startswith(start)), "unreadable")
