"""Who trains and who judges, decided by what an image is, never by its name or place.

An image's draw u is a pure function of (seed, content), uniform in [0, 1):

    test            0 <= u < test
    validation      test <= u < test + validation
    train           the rest

So files can be renamed, added and removed without moving others, and ratios are approximate. What belongs together has
one draw and is in one split: copies, near copies (that of the smallest digest among them), and images of one named
group, as a patient (that of the name). Where a class would miss a split, the group nearest to that split's interval
moves there; where images have several labels, as far as that goes (`share_out`). For k-fold cross-validation the
intervals are the test share and k equal ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bakeoff import seeds
from bakeoff.data.labels import multilabel
from bakeoff.data.manifest import Manifest
from bakeoff.data.multilabel_split import split_multilabel
from bakeoff.errors import DataError, UsageError

TRAIN, VALIDATION, TEST = 0, 1, 2
DEFAULT = (0.8, 0.1, 0.1)


def ratios(value: Sequence[float] | Mapping[str, float] | None) -> tuple[float, float, float]:
    """(train, validation, test) from numbers in that order or by name; they add up to 1.

    Raises:
        UsageError: they don't.
    """
    if value is None:
        return DEFAULT
    if isinstance(value, Mapping):
        unknown = set(value) - {"train", "validation", "test"}
        numbers = [] if unknown else [value.get(name, 0.0) for name in ("train", "validation", "test")]
    else:
        numbers = list(value) if not isinstance(value, str) else []
    numeric = all(isinstance(x, int | float) and not isinstance(x, bool) and 0 <= x <= 1 for x in numbers)
    if len(numbers) != 3 or not numeric or abs(sum(numbers) - 1) > 1e-6 or numbers[0] <= 0:
        raise UsageError(
            f"split is {value!r}; expected (train, validation, test) that add up to 1, as (0.8, 0.1, 0.1)."
        )
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def draws(manifest: Manifest, seed: int) -> NDArray[np.float64]:
    """(n,): the draw of every row, one for all that stay together: by the first of their group names, else digests.

    The same for the same content (or name), whatever else the data holds.
    """
    order = np.argsort(manifest.copies, kind="stable")
    _, first = np.unique(manifest.groups[order], return_index=True)
    keys = [manifest.sha256[row].tobytes().hex() for row in order[first]]
    if manifest.group is not None:
        named: dict[int, str] = {}
        for group, name in zip(manifest.groups.tolist(), manifest.group.tolist(), strict=True):
            if name:
                named[group] = min(named.get(group, name), name)
        keys = [f"group {named[group]}" if group in named else key for group, key in enumerate(keys)]
    unit = [seeds.key(seed, "split", record=key) >> 75 for key in keys]
    return (np.array(unit, np.float64) / 2.0**53)[manifest.groups]


def by_content(
    manifest: Manifest, rows: NDArray[np.int64], shares: tuple[float, float, float], seed: int
) -> NDArray[np.int8]:
    """Splits (0 train, 1 validation, 2 test) of `rows`, as int8 of their length.

    Raises:
        DataError: a class has fewer different images than there are splits.
    """
    u = draws(manifest, seed)[rows]
    _, validation, test = shares
    assignment = np.where(u < test, TEST, np.where(u < test + validation, VALIDATION, TRAIN)).astype(np.int8)
    wanted = [split for split, share in ((TEST, test), (VALIDATION, validation), (TRAIN, shares[0])) if share > 0]
    edges = {TEST: (0.0, test), VALIDATION: (test, test + validation), TRAIN: (test + validation, 1.0)}
    _repaired(manifest, rows, u, assignment, wanted, edges)
    return assignment


def by_fold(
    manifest: Manifest, rows: NDArray[np.int64], test: float, folds: int, fold: int, seed: int
) -> NDArray[np.int8]:
    """Splits of `rows` for k-fold cross-validation: the test share first, the rest in k equal intervals of the draw.

    Whatever `fold` is, the test set and the folds are the same, so that each other image is validated once.

    Raises:
        DataError: a class has fewer different images than there are folds (and a test set).
    """
    u = draws(manifest, seed)[rows]
    width = (1 - test) / folds
    parts = np.where(u < test, folds, np.minimum((u - test) / width, folds - 1)).astype(np.int8)
    wanted = [*([folds] if test > 0 else []), *range(folds)]
    edges = {number: (test + number * width, test + (number + 1) * width) for number in range(folds)}
    _repaired(manifest, rows, u, parts, wanted, {**edges, folds: (0.0, test)})
    return np.where(parts == folds, TEST, np.where(parts == fold, VALIDATION, TRAIN)).astype(np.int8)


def _repaired(
    manifest: Manifest,
    rows: NDArray[np.int64],
    u: NDArray[np.float64],
    assignment: NDArray[np.int8],
    wanted: list[int],
    edges: Mapping[int, tuple[float, float]],
) -> None:
    """Give each class its images in every split, in place."""
    if multilabel(manifest.labels):
        groups, labels = manifest.groups[rows], manifest.labels[rows]
        split_multilabel(groups, labels, u, assignment, sorted(wanted), edges)
    else:
        _Repair(manifest, rows, u, assignment, wanted, edges).run()


class _Repair:
    """Gives each class at least one image in each split; classes in order, splits in order, until nothing moves."""

    def __init__(
        self,
        manifest: Manifest,
        rows: NDArray[np.int64],
        u: NDArray[np.float64],
        assignment: NDArray[np.int8],
        wanted: list[int],
        edges: Mapping[int, tuple[float, float]],
    ) -> None:
        self.classes, self.wanted, self.edges = manifest.classes, wanted, edges
        self.labels, self.groups, self.u, self.assignment = manifest.labels[rows], manifest.groups[rows], u, assignment
        pairs = np.unique(np.stack([self.groups, self.labels]), axis=1)
        self.shared = {group for group, count in Counter(pairs[0].tolist()).items() if count > 1}
        self.moved: set[int] = set()

    def run(self) -> None:
        for _ in range(len(self.classes) + 1):
            if not sum(self._mend(label) for label in np.unique(self.labels).tolist()):
                return
        raise DataError("classes share too many images to be split.\nKeep each image under one label.")

    def _mend(self, label: int) -> int:
        rows = np.flatnonzero(self.labels == label)
        present = set(self.assignment[rows].tolist())
        missing = [split for split in self.wanted if split not in present]
        if missing and len(set(self.groups[rows].tolist())) < len(self.wanted):
            raise DataError(
                f"class {self.classes[label]!r} has {len(set(self.groups[rows].tolist()))} different image(s); "
                f"splitting it needs {len(self.wanted)} or more.\nAdd images, or bring split folders of your own."
            )
        for split in missing:
            self._move(label, rows, split)
        return len(missing)

    def _move(self, label: int, rows: NDArray[np.int64], split: int) -> None:
        """The nearest group goes to `split`; one alone in its own split stays, one of two classes goes last."""
        in_split: dict[int, set[int]] = {}
        for row in rows.tolist():
            in_split.setdefault(int(self.assignment[row]), set()).add(int(self.groups[row]))
        low, high = self.edges[split]
        best: tuple[bool, float, int] | None = None
        for row in rows.tolist():
            group, u = int(self.groups[row]), float(self.u[row])
            if len(in_split[int(self.assignment[row])]) < 2 or group in self.moved:
                continue
            key = group in self.shared, max(low - u, u - high, 0.0), group
            best = key if best is None else min(best, key)
        if best is None:
            name = self.classes[label]
            raise DataError(f"class {name!r} shares too many images to be split.\nKeep each image under one label.")
        self.assignment[self.groups == best[2]] = split
        self.moved.add(best[2])


def exact_share(manifest: Manifest, rows: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Which of `rows` are the share with the smallest draws: exact in sum, per class by largest remainder.

    For data whose images are fixed arrays. Copies stay together: where a class's share would end among copies, they
    all stay out, and the share is that much smaller.
    """
    u, labels, groups = draws(manifest, seed)[rows], manifest.labels[rows], manifest.groups[rows]
    values, counts = np.unique(labels, return_counts=True)
    quota = counts * share
    take = np.maximum(np.floor(quota).astype(np.int64), 1)
    left = round(len(rows) * share) - int(take.sum())
    for position in np.argsort(-(quota - np.floor(quota)), kind="stable")[: max(left, 0)]:
        take[position] += 1
    chosen = np.zeros(len(rows), bool)
    for value, count in zip(values, take, strict=True):
        own = np.flatnonzero(labels == value)
        if len(own) < 2:
            raise DataError(f"class {manifest.classes[value]!r} has one image; splitting it needs two or more.")
        ordered = own[np.lexsort((groups[own], u[own]))]
        if count < len(ordered):
            last, beyond = ordered[count - 1], ordered[count]
            picked = ordered[:count]
            chosen[picked[groups[picked] != groups[beyond]] if groups[last] == groups[beyond] else picked] = True
    return chosen
