"""Hidden files and folders among the images: what systems and editors leave behind. They are never read."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Kind, Subject

KINDS = (
    Kind(
        "hidden", 70, "What systems and editors leave behind. It is never read.", "系统或编辑器留下的文件，从不读取。"
    ),
)


def find(subject: Subject) -> Iterator[Finding]:
    """One finding a file or folder."""
    for path in subject.table.hidden:
        yield Finding("hidden", path, "hidden: left out")
