"""Files among the images that are none by their suffix, and whatever else isn't used. They are never read."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.data.audits.bad_file import NOT_A_IMAGE
from bakeoff.preprocessing import format_of

NOT_USED = Kind(
    "not_used",
    150,
    "What is there and isn't used, or can be read in two ways.",
    "存在但未被使用的内容，或有两种读法的数据。",
)
KINDS = (NOT_A_IMAGE, NOT_USED)


def find(subject: Subject) -> Iterator[Finding]:
    """One finding a file or line; images by content are `wrong_suffix`'s."""
    yield from (Finding(NOT_USED.name, None, line) for line in subject.table.unused)
    root = subject.table.root
    if root is None:
        return
    for path in subject.table.others:
        place = root / path
        if place.is_dir():
            yield Finding("not_a_picture", path, "left out: a folder beside the split folders")
        elif not format_of(place):
            suffix = os.path.splitext(path)[1].lower()
            yield Finding("not_a_picture", path, f"left out: {suffix or 'no suffix'} is no image's suffix")
        elif "/" not in path:
            yield Finding("not_a_picture", path, "left out: outside the class folders")
