"""Copies: the same bytes again. Under two labels one is wrong; across splits the test asks what was learned."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.data.labels import words

DUPLICATE_LABEL = Kind(
    "duplicate_label",
    100,
    "One image under two labels: one of them is wrong.",
    "同一张图片有两个标签，其中一个是错的。",
    imaged=True,
)
LEAK = Kind(
    "leak",
    110,
    "The same image in two splits: the test asks what was learned by heart.",
    "同一张图片出现在两个子集中：测试考的是背下来的内容。",
    imaged=True,
)
KINDS = (
    Kind(
        "duplicate",
        80,
        "The same bytes again: such an image counts twice.",
        "完全相同的字节：这样的图片被算了两次。",
        imaged=True,
    ),
    DUPLICATE_LABEL,
    LEAK,
)


def find(subject: Subject) -> Iterator[Finding]:
    """A finding for each copy but the first; the first is of the earliest split, then the oldest, then by name."""
    table = subject.table
    for rows in subject.copies():
        first, *others = sorted(rows, key=subject.age)
        for row in others:
            path, original = str(table.paths[row]), str(table.paths[first])
            kinds = list(different(subject, first, row))
            for kind, what in kinds:
                yield Finding(kind, path, f"the same bytes as {original}{what}", (row, first))
            if not kinds:
                yield Finding("duplicate", path, f"the same bytes as {original}", (row, first))


def different(subject: Subject, first: int, row: int) -> Iterator[tuple[str, str]]:
    """(kind, how) in which a copy differs from the first: by label, by split."""
    table = subject.table
    if (table.labels[row] != table.labels[first]).any():
        yield "duplicate_label", f", which is labelled {words(table.labels[first], table.classes)!r}"
    if table.split[row] != table.split[first] and min(table.split[row], table.split[first]) >= 0:
        yield "leak", f", which is in {subject.split_name(first)}"
