"""What can be trusted in a data set, and what can't: every file looked at, nothing changed.

The audits are the files of `bakeoff.data.audits`; each sees a `Subject` and yields findings. What costs time (hashes,
perceptual hashes, features) is kept in the cache as it comes, so that an interrupted audit goes on where it was.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff import registry
from bakeoff.data.facts import file_facts, images_of, manifest_of
from bakeoff.data.hashing import FileFacts, verified
from bakeoff.data.images import Images
from bakeoff.data.manifest import SPLITS, Manifest
from bakeoff.data.near_copies import joined, near_pairs
from bakeoff.data.perceptual_hash import PerceptualHashes, dim
from bakeoff.data.reader import default_workers, perceptual_hashes_at, read_table
from bakeoff.protocols import LabelRule, Progress, Table
from bakeoff.schemas import Brief

AUDITS = "bakeoff.data.audits"

Counter = Callable[[str], Progress]
"""From the name of a part of the work to its progress."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What models say of images that they have not seen.

    Attributes:
        probabilities: (good images, classes).
        votes: (good images, classes), shares of the nearest neighbours, which aren't copies.
    """

    probabilities: NDArray[np.float64]
    votes: NDArray[np.float64]


Judge = Callable[["Subject", Progress], Judged | None]
"""Judges the good images of a subject; None where there are too few."""


@dataclass(frozen=True)
class Kind:
    """A kind of finding. The file of one audit owns it; another that finds the same refers to that.

    Attributes:
        name: as users and `--json` see it.
        place: sorts the kinds in every output.
        en: what it means, in English.
        zh: the same in Chinese.
        imaged: whether the page shows the images.
    """

    name: str
    place: int
    en: str
    zh: str
    imaged: bool = False


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: the name of one of the `KINDS` of the audit that found it.
        path: relative to the data; None where it is about a class.
        detail: what exactly.
        rows: of the table: the image, and the one that it is compared with.
    """

    kind: str
    path: str | None
    detail: str
    rows: tuple[int, ...] = ()

    def to_json(self) -> dict[str, str | None]:
        """As `bakeoff data audit --json` prints it."""
        return {"kind": self.kind, "path": self.path, "detail": self.detail}


@dataclass(eq=False)
class Subject:
    """What an audit sees.

    Attributes:
        table: rows as the source found them, bad files too.
        facts: of each row.
        bad: why a row can't be trained on, by row.
        perceptual: of the rows `good`, or None where near copies aren't looked for.
        dim: rows that may show nearly nothing.
        counter: progress for parts that take time.
        workers: threads.
        judge: gives out-of-fold probabilities; None: labels aren't judged.
    """

    table: Table
    facts: Sequence[FileFacts]
    bad: dict[int, str]
    counter: Counter
    workers: int
    judge: Judge | None = None
    perceptual: PerceptualHashes | None = None
    dim: tuple[int, ...] = ()
    _ages: dict[int, tuple[int, int, str]] = field(default_factory=dict)

    @cached_property
    def good(self) -> NDArray[np.int64]:
        """Rows that can be trained on."""
        return np.setdiff1d(np.arange(len(self.facts)), list(self.bad)).astype(np.int64)

    @cached_property
    def manifest(self) -> Manifest:
        """Of the good rows."""
        return manifest_of(self.table, self.facts).select(self.good)

    @cached_property
    def images(self) -> Images:
        """Of the good rows."""
        return images_of(self.table, self.facts, self.good)

    def file(self, row: int) -> Path:
        """The file of a row."""
        return Path(os.path.join(str(self.table.root), str(self.table.paths[row])))

    def content(self, row: int) -> bytes:
        """The bytes of its file, those that were hashed.

        Raises:
            DataError: they are others by now.
        """
        if self.table.store is not None:
            return self.table.store.read(row)
        return verified(str(self.table.root), str(self.table.paths[row]), self.facts[row].sha256)

    def split_name(self, row: int) -> str:
        """The declared split of a row."""
        return SPLITS[self.table.split[row]]

    def age(self, row: int) -> tuple[int, int, str]:
        """Sorts the original before its copies: by split, time of change, name."""
        if row not in self._ages:
            path, changed = str(self.table.paths[row]), 0
            if self.table.root is not None:
                changed = self.file(row).stat().st_mtime_ns
            self._ages[row] = int(self.table.split[row]), changed, path
        return self._ages[row]

    def copies(self) -> list[list[int]]:
        """Rows of equal content, two or more together."""
        return _together(self.good, self.manifest.copies)

    @cached_property
    def together(self) -> NDArray[np.int64]:
        """(good images,): copies and near copies share a number."""
        copies = self.manifest.copies
        first = np.unique(copies, return_index=True)[1]
        if self.perceptual is None:
            return first[copies]
        pairs = near_pairs(self.perceptual, self.manifest.sha256, self.counter("comparing"))
        return joined(len(self.good), pairs)[first][copies]

    def near_copies(self) -> list[list[int]]:
        """Rows of near copies; of equal contents the first row alone."""
        first = np.unique(self.manifest.copies, return_index=True)[1]
        return _together(self.good[first], self.together[first])


@dataclass(frozen=True, repr=False)
class Audit(Brief):
    """The result.

    Attributes:
        path: the data, as given.
        table: rows as the source found them.
        findings: in the order of `kinds()`, then as found.
        excluded: the paths that can't be trained on, in the order of the table.
        checked: names of the audits that ran.
    """

    path: Path
    table: Table
    findings: tuple[Finding, ...]
    excluded: tuple[str, ...]
    checked: tuple[str, ...]

    @property
    def num(self) -> int:
        """Files that were taken for images, the excluded ones among them."""
        return len(self.table.labels)

    @property
    def counts(self) -> dict[str, int]:
        """Findings by kind, of the kinds that there are."""
        found: dict[str, int] = {}
        for finding in self.findings:
            found[finding.kind] = found.get(finding.kind, 0) + 1
        return found

    def to_json(self) -> dict[str, Any]:
        """As `bakeoff data audit --json` prints it."""
        return {
            "data": str(self.path),
            "num": self.num,
            "num_trainable": self.num - len(self.excluded),
            "classes": list(self.table.classes),
            "findings": [finding.to_json() for finding in self.findings],
            "excluded": list(self.excluded),
        }


def audit(
    path: str | os.PathLike[str],
    *,
    judge: Judge | None = None,
    labels: LabelRule | None = None,
    follow_links: bool = False,
    workers: int | None = None,
    counter: Counter = lambda part: lambda done, total: None,
) -> Audit:
    """Look at every file of a data set; nothing is changed.

    Args:
        path: as for `read_data`.
        judge: gives out-of-fold probabilities for `suspect_label`; None leaves that out.
        labels: how a list says that images have several labels.
        follow_links: symbolic links are the files that they lead to.
        workers: threads.
        counter: from the name of a part to its progress, called with (done, total).

    Raises:
        DataError: there is nothing to look at.
    """
    place = Path(path).expanduser()
    threads = default_workers(workers)
    table = read_table(place, counter("fetching"), lenient=True, labels=labels, follow_links=follow_links)
    facts = file_facts(table, threads, counter("reading"))
    bad = {row: fact.reason for row, fact in enumerate(facts) if fact.reason}
    perceptual, worse = _decoded(table, facts, bad, threads, counter("decoding"))
    subject = Subject(table, facts, bad | worse, counter, threads, judge, perceptual)
    thumbs = perceptual.grey if table.pixels is None else table.pixels[subject.good]
    subject.dim = tuple(subject.good[dim(thumbs)].tolist())
    return Audit(place, table, *examined(subject))


def _decoded(
    table: Table, facts: Sequence[FileFacts], bad: dict[int, str], workers: int, progress: Progress
) -> tuple[PerceptualHashes, dict[int, str]]:
    """Perceptual hashes of the rows that decode, and why the others don't."""
    rows = np.array([row for row in range(len(facts)) if row not in bad], np.int64)
    images = images_of(table, facts, rows)
    manifest = manifest_of(table, facts).select(rows)
    perceptual = perceptual_hashes_at(manifest, images, np.arange(len(rows)), workers=workers, progress=progress)
    fine = np.array([row not in perceptual.bad for row in range(len(rows))], bool)
    worse = {int(rows[row]): reason for row, reason in perceptual.bad.items()}
    return PerceptualHashes(perceptual.hash[fine], perceptual.grey[fine], perceptual.tint[fine], {}), worse


def examined(subject: Subject) -> tuple[tuple[Finding, ...], tuple[str, ...], tuple[str, ...]]:
    """Findings of all audits, the excluded paths, and the names of the audits."""
    names = registry.names(AUDITS)
    found = [finding for name in names for finding in _run(name, subject)]
    places = {kind.name: kind.place for kind in kinds()}
    found.sort(key=lambda finding: places[finding.kind])
    return tuple(found), tuple(str(subject.table.paths[row]) for row in sorted(subject.bad)), names


def _run(name: str, subject: Subject) -> Iterator[Finding]:
    module = registry.load(AUDITS, name)
    own = {kind.name for kind in module.KINDS}
    for finding in module.find(subject):
        if finding.kind not in own:
            raise ValueError(f"{module.__name__} found {finding.kind!r}, which is not among its KINDS")
        yield finding


def kinds() -> tuple[Kind, ...]:
    """Every kind that an audit can find, in the order of output."""
    found: dict[str, Kind] = {}
    for name in registry.names(AUDITS):
        for kind in registry.load(AUDITS, name).KINDS:
            if found.setdefault(kind.name, kind) is not kind:
                raise ValueError(f"{AUDITS}.{name} has a kind {kind.name!r} of its own; import it from its owner")
    return tuple(sorted(found.values(), key=lambda kind: kind.place))


def _together(rows: NDArray[np.int64], numbers: NDArray[np.int64]) -> list[list[int]]:
    members: Mapping[int, list[int]] = defaultdict(list)
    for row, number in zip(rows.tolist(), numbers.tolist(), strict=True):
        members[number].append(row)
    return [group for group in members.values() if len(group) > 1]
