"""Hidden files and folders among the pictures: what systems and editors leave behind. They are never read."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Subject

KINDS = ("hidden",)


def find(subject: Subject) -> Iterator[Finding]:
    """One finding a file or folder."""
    for path in subject.table.hidden:
        yield Finding("hidden", path, "hidden: left out")
