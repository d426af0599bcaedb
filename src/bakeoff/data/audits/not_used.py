"""What the user gave and training doesn't use, and data that can be read in two ways: as every verb says it."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Kind, Subject

KINDS = (
    Kind(
        "not_used",
        150,
        "What is there and isn't used, or can be read in two ways.",
        "存在但未被使用的内容，或有两种读法的数据。",
    ),
)


def find(subject: Subject) -> Iterator[Finding]:
    """One finding a line."""
    for line in subject.table.unused:
        yield Finding("not_used", None, line)
