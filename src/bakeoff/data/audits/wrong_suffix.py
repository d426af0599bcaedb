"""Files whose suffix says another format than their content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.errors import DataError
from bakeoff.preprocessing import format_of, read_header
from bakeoff.preprocessing.formats import SUFFIXES_OF, suffix_of

KINDS = (
    Kind(
        "wrong_suffix",
        60,
        "The suffix names another format than the content has.",
        "扩展名与内容的格式不符。",
        imaged=True,
    ),
)


def find(subject: Subject) -> Iterator[Finding]:
    """Images by another name (they can be trained on), and images that are left out for their suffix."""
    if subject.table.root is None:
        return
    for row in subject.good.tolist():
        path = str(subject.table.paths[row])
        kind = format_of(subject.file(row))
        suffix = suffix_of(path)
        if kind and suffix and suffix not in SUFFIXES_OF[kind]:
            yield Finding("wrong_suffix", path, f"{kind} by its content; the suffix says {suffix[1:].upper()}", (row,))
    for path in subject.table.others:
        place = subject.table.root / path
        kind = format_of(place) if place.is_file() and not place.is_symlink() else ""
        suffix = suffix_of(path)
        if kind and suffix not in SUFFIXES_OF[kind] and _readable(place):
            yield Finding("wrong_suffix", path, f"left out: {kind} by its content, but {suffix or 'no suffix'} by name")


def _readable(place: Path) -> bool:
    try:
        read_header(place)
    except DataError:
        return False
    return True
