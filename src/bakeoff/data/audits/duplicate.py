"""Copies: the same bytes again. Under two labels one is wrong; across splits the test asks what was learned."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Subject
from bakeoff.data.labels import words

KINDS = ("duplicate", "duplicate_label", "leak")


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
