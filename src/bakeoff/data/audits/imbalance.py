"""Classes with far fewer images than others, without any, or in some splits only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.data.labels import counts as counts_of
from bakeoff.data.labels import members
from bakeoff.data.manifest import SPLITS

KINDS = (
    Kind(
        "imbalance",
        120,
        "Classes with far fewer images than others, or missing in a split.",
        "图片远少于其他类别，或在某个子集中缺失的类别。",
    ),
)
RATIO = 10


def find(subject: Subject) -> Iterator[Finding]:
    """One finding a class: at most a tenth of the largest; no image; missing in a split that others are in."""
    table = subject.table
    counts = counts_of(table.labels[subject.good], len(table.classes))
    largest = int(counts.argmax()) if len(counts) else 0
    for label, name in enumerate(table.classes):
        if not counts[label]:
            yield Finding("imbalance", None, f"class {name!r} has no readable image")
        elif counts[label] * RATIO <= counts[largest]:
            most = f"{table.classes[largest]!r} has {counts[largest]}"
            yield Finding("imbalance", None, f"class {name!r} has {counts[label]} images, {most}")
    yield from _splits(subject, counts)


def _splits(subject: Subject, counts: np.ndarray) -> Iterator[Finding]:
    table = subject.table
    split = table.split[subject.good]
    there = np.unique(split[split >= 0]).tolist()
    for label, name in enumerate(table.classes):
        own = set(split[members(table.labels[subject.good], label)].tolist())
        missing = [SPLITS[code] for code in there if code not in own]
        if len(there) > 1 and missing and counts[label]:
            yield Finding("imbalance", None, f"class {name!r} has no image in {' and '.join(missing)}")
