"""Files that can't be trained on: empty, no picture at all, too large, cut short, damaged."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Subject
from bakeoff.data.audits.wrong_suffix import format_of

KINDS = ("unreadable", "truncated", "empty", "not_a_picture", "too_large")

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
