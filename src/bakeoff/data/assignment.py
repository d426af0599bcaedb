"""Which split each image is in: as frozen before, as the data declares, and drawn where neither says.

frozen      an image whose content was in a split of an earlier run stays there, and with it all that belongs to it
declared    split folders, split columns and named arrays
drawn       by content: everything where nothing is declared; a validation share where there is none; folds
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.manifest import SPLITS, Manifest
from bakeoff.data.sources._names import few
from bakeoff.data.split import TEST, TRAIN, VALIDATION, by_content, by_fold, exact_share
from bakeoff.errors import CorruptError, UsageError
from bakeoff.files import absent, atomic_write, named, read_arrays, read_json
from bakeoff.schemas import Brief

BadFiles = Literal["fail", "exclude"]
FROZEN = "split.npz"


@dataclass(frozen=True, repr=False)
class Rules(Brief):
    """How the data was asked for.

    Attributes:
        shares: (train, validation, test), adding up to 1.
        seed: of the draws.
        bad_files: `fail` or `exclude`.
        folds: of cross-validation; None: no folds.
        fold: which of them validates.
        frozen: split by SHA-256, of an earlier run.
        judged: the images are to be judged, not trained on: classes may lack some, and the training set all.
    """

    shares: tuple[float, float, float]
    seed: int
    bad_files: BadFiles
    folds: int | None = None
    fold: int = 0
    frozen: Mapping[bytes, int] | None = None
    judged: bool = False

    def __post_init__(self) -> None:
        if self.folds is None:
            return
        if isinstance(self.folds, bool) or self.folds < 2 or not 0 <= self.fold < self.folds:
            raise UsageError(f"fold {self.fold} of {self.folds}; expected 2 folds or more, counted from 0.")
        if self.shares[TEST] >= 1:
            raise UsageError("a test share of 1 leaves nothing for the folds.")


def draws_anything(split: NDArray[np.int8], rules: Rules) -> bool:
    """Whether any image's split is drawn, beside those that the data says, so that near copies have to be known."""
    if (split < 0).any():
        return True
    return rules.folds is not None or (not (split == VALIDATION).any() and rules.shares[VALIDATION] > 0)


def assignment_of(manifest: Manifest, rules: Rules, *, fixed: bool) -> NDArray[np.int8]:
    """(n,): the split of every row, positions in `SPLITS`.

    Args:
        fixed: the images are arrays that don't change: a validation share is exact.
    """
    assignment = _drawn(manifest, rules, fixed)
    return assignment if not rules.frozen else _frozen(manifest, assignment, rules.frozen)


def _drawn(manifest: Manifest, rules: Rules, fixed: bool) -> NDArray[np.int8]:
    assignment = manifest.split.copy()
    shares, seed = rules.shares, rules.seed
    free = np.flatnonzero(assignment < 0)
    if len(free) == len(assignment):
        if rules.folds is not None:
            return by_fold(manifest, free, shares[TEST], rules.folds, rules.fold, seed)
        return by_content(manifest, free, shares, seed)
    assignment[free] = TRAIN
    if rules.folds is not None:
        rows = np.flatnonzero(assignment != TEST)
        assignment[rows] = by_fold(manifest, rows, 0.0, rules.folds, rules.fold, seed)
        return assignment
    if (assignment == VALIDATION).any() or shares[VALIDATION] == 0:
        return assignment
    rows = np.flatnonzero(assignment == TRAIN)
    if fixed:
        assignment[rows[exact_share(manifest, rows, shares[VALIDATION], seed)]] = VALIDATION
    else:
        assignment[rows] = by_content(manifest, rows, (1 - shares[VALIDATION], shares[VALIDATION], 0.0), seed)
    return assignment


def _frozen(manifest: Manifest, assignment: NDArray[np.int8], frozen: Mapping[bytes, int]) -> NDArray[np.int8]:
    """Known contents go where they were; what belongs to a test image follows it; no other joins the test set.

    What the data declares stays as declared; only a validation share that was drawn from its training set is kept.
    """
    known = np.array([frozen.get(row.tobytes(), -1) for row in manifest.sha256], np.int8)
    if (known < 0).all():
        return assignment  # other images
    free = manifest.split < 0
    assignment = np.where((manifest.split == TRAIN) & np.isin(known, (TRAIN, VALIDATION)), known, assignment)
    if TEST in frozen.values():
        assignment = np.where((assignment == TEST) & (known < 0) & free, TRAIN, assignment)
    assignment = np.where(free & (known >= 0), known, assignment).astype(np.int8)
    in_test = np.isin(manifest.groups, manifest.groups[known == TEST])
    assignment[in_test & (known < 0) & free] = TEST
    return assignment


def write_assignment(path: Path, manifest: Manifest, assignment: NDArray[np.int8]) -> None:
    """Keep the split of every content in a file, for `read_assignment`, and its path, for `changes`."""
    names = np.frombuffer("\0".join(manifest.paths.tolist()).encode("utf-8", "surrogateescape"), np.uint8)
    with atomic_write(path) as file:
        np.savez(file, sha256=manifest.sha256, side=assignment, paths=names)


def digest_of(digests: NDArray[np.uint8], assignment: NDArray[np.int8]) -> str:
    """SHA-256 (hex) of a split: manifest.json has it, so that a split that was changed since isn't believed."""
    return hashlib.sha256(digests.tobytes() + assignment.tobytes()).hexdigest()


def order_of(path: Path, manifest: Manifest) -> NDArray[np.int64] | None:
    """(n,): the rows of the manifest as a run had them, of the same images: the order of its batches hangs on it.

    Copies stay in the order in which they are; None where no order is known.
    """
    before = np.frombuffer(b"".join(contents(path).values()), np.uint8).reshape(-1, 32)
    if len(before) != len(manifest):
        return None
    rows = np.empty(len(manifest), np.int64)
    rows[_by_content(before)] = _by_content(manifest.sha256)
    return rows


def _by_content(digests: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.argsort(np.ascontiguousarray(digests).view("V32").reshape(-1), kind="stable")


def changes(path: Path, manifest: Manifest, unread: Collection[str] = (), *, apart: bool = False) -> str:
    """What of the images that a run kept in a file isn't there as it was, in words; "" where all are.

    Args:
        unread: files that are there, and not in the manifest: they can't be read.
        apart: those are named elsewhere.

    Raises:
        CorruptError: the file is damaged.
    """
    digests, before = list(read_assignment(path)), contents(path)
    now = {str(name): row.tobytes() for name, row in zip(manifest.paths, manifest.sha256, strict=True)}
    known, here = set(digests), set(now.values())
    edited = [name for name, digest in now.items() if digest not in known and name in before]
    added = [name for name, digest in now.items() if digest not in known and name not in before]
    missing = [name for name, digest in before.items() if digest not in here and name not in now]
    gone, lost = ([name for name in missing if (name in unread) == there] for there in (False, True))
    found = ((edited, "changed"), (added, "added"), (gone, "gone"), ([] if apart else lost, "unreadable"))
    return ", ".join(f"{len(some):,} {what} ({few(some)})" for some, what in found if some)


def contents(path: Path) -> dict[str, bytes]:
    """SHA-256 of each image by its path, from a file that `write_assignment` made."""
    with named(path, "Use the split of another run."):
        archive = read_arrays(path)
        names = archive["paths"].tobytes().decode("utf-8", "surrogateescape").split("\0") if "paths" in archive else []
        return dict(zip(names, (row.tobytes() for row in archive["sha256"]), strict=bool(names)))


def read_assignment(path: str | Path) -> dict[bytes, int]:
    """Side by SHA-256, from a file that `write_sides` made, or from the run folder that holds it.

    Raises:
        UsageError: there is none.
        CorruptError: it is damaged.
    """
    place = Path(path)
    place = place / FROZEN if place.is_dir() else place
    try:
        archive = read_arrays(place)
        digests, assignment = archive["sha256"], archive["side"]
        good = digests.dtype == np.uint8 and digests.shape == (len(assignment), 32) and assignment.dtype == np.int8
        if not good or not np.isin(assignment, range(len(SPLITS))).all():
            raise ValueError("columns")
        beside = place.with_name("manifest.json")
        written = read_json(beside).get("split_sha256") if beside.is_file() else None
        if written not in (None, digest_of(digests, assignment)):
            raise CorruptError(f"{place}: isn't the split that the run wrote. Bring it back, or train anew.")
        return {row.tobytes(): int(split) for row, split in zip(digests, assignment, strict=True)}
    except FileNotFoundError:
        raise UsageError(
            f"{place}: {absent(place, 'file')} Expected a run folder whose split is to be used again."
        ) from None
    except CorruptError:
        raise
    except Exception as error:  # of NumPy, zipfile, zlib
        raise CorruptError(f"{place}: damaged ({type(error).__name__}). Use the split of another run.") from None
