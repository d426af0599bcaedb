"""Images too small to show anything: trackers' pixels, spacers, icons among photos."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bakeoff.data.audit import Finding, Subject
from bakeoff.data.audits.bad_file import NOT_A_IMAGE

KINDS = (NOT_A_IMAGE,)
LEAST = 8  # pixels of the shorter side
ICON = 32  # an icon is shorter than this, and than an eighth of the median


def find(subject: Subject) -> Iterator[Finding]:
    """A shorter side below 8 pixels, or below 32 where half of the images have eight times as many."""
    sides = np.array([min(subject.facts[row].height, subject.facts[row].width) for row in subject.good])
    if not len(sides):
        return
    least = max(LEAST, min(ICON, float(np.median(sides)) / 8))
    for place in np.flatnonzero(sides < least):
        row = int(subject.good[place])
        fact = subject.facts[row]
        detail = f"{fact.width} x {fact.height} pixels: too small to show anything"
        yield Finding("not_a_picture", str(subject.table.paths[row]), detail, (row,))
