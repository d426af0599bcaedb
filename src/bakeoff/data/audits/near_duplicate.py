"""Near copies: the same image saved again, scaled, brightened. Found by `bakeoff.data.near_copies`."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.data.audits.duplicate import DUPLICATE_LABEL, LEAK, different

KINDS = (
    Kind(
        "near_duplicate",
        90,
        "The same image, saved again, scaled or brightened.",
        "同一张图片，被重新保存、缩放或调亮过。",
        imaged=True,
    ),
    DUPLICATE_LABEL,
    LEAK,
)


def find(subject: Subject) -> Iterator[Finding]:
    """A finding for each near copy but the first; more where it has another label or is in another split."""
    for rows in subject.near_copies():
        first, *others = sorted(rows, key=subject.age)
        for row in others:
            path, what = str(subject.table.paths[row]), f"nearly the same as {subject.table.paths[first]}"
            yield Finding("near_duplicate", path, what, (row, first))
            for kind, how in different(subject, first, row):
                yield Finding(kind, path, what + how, (row, first))
