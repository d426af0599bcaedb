"""Images of one grey or colour: nothing is on them."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.preprocessing import decode

KINDS = (Kind("one_colour", 45, "Images that are one even area.", "整张只有一种颜色的图片。", imaged=True),)


def find(subject: Subject) -> Iterator[Finding]:
    """One finding an image that is the same everywhere."""
    if subject.table.root is None:
        return
    for row in subject.good.tolist():
        extrema = decode(subject.file(row)).convert("L").getextrema()
        if extrema[0] == extrema[1]:
            yield Finding("one_colour", str(subject.table.paths[row]), "one colour: nothing is on it", (row,))
