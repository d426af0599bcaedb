"""From a path to images that are known, split and ready to be drawn in batches."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from bakeoff import registry
from bakeoff.data.assignment import BadFiles, Rules, assignment_of, draws_anything, read_assignment
from bakeoff.data.cache import refused
from bakeoff.data.facts import file_facts, images_of, manifest_of
from bakeoff.data.hashing import FileFacts
from bakeoff.data.images import KEPT_BYTES, Bad, Images, in_threads
from bakeoff.data.labels import counts as counts_of
from bakeoff.data.labels import multilabel
from bakeoff.data.loader import Split
from bakeoff.data.manifest import SPLITS, Manifest
from bakeoff.data.near_copies import joined, near_pairs
from bakeoff.data.once import once
from bakeoff.data.perceptual_hash import (
    SIDE,
    PerceptualHashes,
    perceptual_hashes_of,
    perceptual_hashes_of_arrays,
    remember,
)
from bakeoff.data.sample import remedy
from bakeoff.data.split import ratios
from bakeoff.drawing.card import MOST as PICTURES
from bakeoff.drawing.card import Card, Shown, names, picture
from bakeoff.errors import BadFilesError, BakeoffError, DataError, UsageError
from bakeoff.files import absent, said
from bakeoff.given import held
from bakeoff.preprocessing import Signature, decode
from bakeoff.preprocessing.pixels import draw
from bakeoff.protocols import LabelRule, Progress, Source, Table
from bakeoff.schemas import SplitName
from bakeoff.system import cpus
from bakeoff.workers.progress import counter, live

SOURCES = "bakeoff.data.sources"


@dataclass(frozen=True, eq=False, repr=False)
class Data(Shown):
    """A data set.

    Attributes:
        path: as it was given.
        classes: names, in the order of the labels.
        manifest: a row an image.
        train: always there.
        validation: None where there is none.
        test: None where there is none.
        excluded: (path, reason) of the bad files that were left out.
        ignored: what is no image by rule (hidden files, other suffixes), and how often.
        unused: what else was given and isn't used, a line each.
    """

    path: Path
    classes: tuple[str, ...]
    manifest: Manifest
    train: Split
    validation: Split | None
    test: Split | None
    images: Images
    rules: Rules
    excluded: tuple[tuple[str, str], ...] = ()
    excluded_sha256: tuple[str, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def _card(self) -> Card:
        figures = {
            "images": ", ".join(f"{name} {len(split):,}" for name, split in self.splits.items()),
            f"{len(self.classes):,} classes": names(self.classes),
            "size": "x".join(map(str, self.size)) if self.size else "various",
            **({"left out": f"{len(self.excluded):,} bad files"} if self.excluded else {}),
            **({"not used": "; ".join(self.unused)} if self.unused else {}),
        }
        return Card(str(self.path), figures, self._pictures())

    def _pictures(self) -> Iterator[str]:
        """The first image of each of the first classes; of several labels, the first images."""
        rows = range(len(self)) if self.multilabel else np.unique(self.manifest.labels, return_index=True)[1].tolist()
        for row in rows[:PICTURES]:
            caption = self.manifest.paths[row] if self.multilabel else self.classes[self.manifest.labels[row]]
            try:
                yield picture(draw(self.images.source(row), Signature((1, 1), self.channels)).image, str(caption))
            except DataError:  # damaged meanwhile: the card is no place for it
                yield picture(None, str(caption))

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def channels(self) -> Literal[1, 3]:
        """1 if every image is grey, else 3."""
        return 1 if self.images.channels == 1 else 3

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) that all images have, after EXIF orientation; None where they differ."""
        return self.images.size

    @property
    def multilabel(self) -> bool:
        """Whether images may have several labels, or none."""
        return multilabel(self.manifest.labels)

    @property
    def splits(self) -> dict[str, Split]:
        """Those that are there, by name."""
        every = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in every.items() if split is not None and len(split)}

    @property
    def assignment(self) -> NDArray[np.int8]:
        """(n,): the split of every row of the manifest, positions in `manifest.SPLITS`."""
        found = np.full(len(self), -1, np.int8)
        for code, name in enumerate(SPLITS):
            if name in self.splits:
                found[self.splits[name].indices] = code
        return found

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of content, labels, classes and declared splits, and of what was excluded.

        Independent of where the data lies and of the names and order of its files.
        """
        if not self.excluded:
            return self.manifest.fingerprint
        text = "\n".join([self.manifest.fingerprint, "excluded", *sorted(self.excluded_sha256)])
        return hashlib.sha256(text.encode()).hexdigest()

    def pixels(
        self, signature: Signature, *, workers: int | None = None, progress: Progress | None = None
    ) -> NDArray[np.uint8]:
        """All images in the order of the manifest: uint8, (n, H, W, C); decoded once, not to be written to.

        Raises:
            BadFilesError: names all that can't be decoded.
        """
        return self.images.all(signature, default_workers(workers), progress)

    def ordered(self, rows: NDArray[np.int64]) -> Data:
        """The same images in another order, (n,) rows of the manifest."""
        return _divided(self, self.manifest.select(rows), self.images.select(rows))

    def verify(
        self,
        signature: Signature | None = None,
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        keep: bool = True,
    ) -> Data:
        """The data with every image decoded once: itself, or without the bad ones where they are to be excluded.

        Args:
            signature: what is decoded on the way is kept for it, where it fits in memory.
            workers: threads.
            progress: called with (done, total).
            keep: False: nothing that was decoded is kept.

        Raises:
            BadFilesError: names all bad files, where `bad_files` is "fail".
        """
        bad = _decode_all(self.images, signature, default_workers(workers), progress, keep)
        if not bad:
            return self
        error = self.images.bad_files(bad)
        if self.rules.bad_files == "fail":
            raise error
        rows = np.array([record for record, _ in bad], np.int64)
        left = np.setdiff1d(np.arange(len(self)), rows)
        lost = tuple(self.manifest.sha256[row].tobytes().hex() for row in rows)
        excluded, lost = self.excluded + error.files, self.excluded_sha256 + lost
        known = replace(self, excluded=tuple(sorted(excluded)), excluded_sha256=lost)
        return _divided(known, self.manifest.select(left), self.images.select(left))


@held
@live("progress", lambda listen: counter(listen, "reading"))
def read_data(
    path: str | os.PathLike[str],
    *,
    split: Sequence[float] | Mapping[str, float] | None = None,
    seed: int = 0,
    bad_files: BadFiles = "fail",
    folds: int | None = None,
    fold: int = 0,
    frozen: str | os.PathLike[str] | None = None,
    labels: LabelRule | None = None,
    judged: bool = False,
    follow_links: bool = False,
    signature: Signature | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    quiet: bool = False,
) -> Data:
    """Images of known classes: a folder of class folders, a table, an archive, arrays, or the name of a data set.

    Every file is hashed and its header read (cached on disk). Where splits are drawn, every image is decoded once to
    find near copies, which stay in one split (cached, too).

    Args:
        path: the folder, file, URL or name, in any layout of `bakeoff.data.sources`.
        split: (train, validation, test), adding up to 1; 0.8, 0.1, 0.1 if left out. Of data that brings its own test
            split only the validation share is used, and only if it brings no validation set.
        seed: of the split.
        bad_files: `fail` raises with all that can't be read; `exclude` leaves them out and lists them in `excluded`.
        folds: k of cross-validation: what isn't test is parted in k, of which `fold` (from 0) validates.
        fold: which part.
        frozen: an earlier run whose splits are kept: its test images are the test images again.
        labels: how a list says that images have several labels: the separator in a cell, or a column a class.
        judged: the images are to be judged, not trained on: there may be classes without images, or one class only.
        follow_links: symbolic links are the files and folders that they lead to; else they are bad files.
        signature: how files that are read become pixels at once, where those of all fit in memory.
        workers: threads; as many as the processor has, at most 8, if left out.
        progress: called with (done, total) files; None: a bar, where a terminal or a notebook shows it.
        quiet: no bar.

    Raises:
        DataError: nothing there, no class folders, one class only, a class without images.
        BadFilesError: files that aren't readable images, all of them.
        UsageError: an argument that can't be used.
    """
    if bad_files not in get_args(BadFiles):
        raise UsageError(f"bad_files is {bad_files!r}; expected one of {', '.join(get_args(BadFiles))}.")
    kept = read_assignment(Path(frozen)) if frozen else None
    rules = Rules(ratios(split), seed, bad_files, folds, fold, kept, judged)
    place = Path(path).expanduser()
    table = read_table(place, progress, lenient=judged, labels=labels, follow_links=follow_links)
    draws = draws_anything(table.split, rules)
    stays = table.root is None  # in memory, or known without being read
    seen = None if stays else once(len(table.paths), signature, KEPT_BYTES, draws)
    try:
        facts = file_facts(table, default_workers(workers), progress, seen)
    except BaseException:
        if seen and table.root:
            remember(table.root, seen.shrunk)
        raise
    bad = [] if stays else [(row, fact.reason) for row, fact in enumerate(facts) if fact.reason]
    excluded = tuple((str(table.paths[row]), reason) for row, reason in bad)
    if bad and bad_files == "fail":
        raise BadFilesError(excluded)
    rows: NDArray[np.int64] = np.arange(len(facts))
    keep = np.setdiff1d(rows, [row for row, _ in bad]) if bad else rows  # which takes 10 s for ten million
    manifest = manifest_of(table, facts)
    manifest = manifest.select(keep) if bad else manifest
    images = images_of(table, facts, keep, seen)
    if table.store is not None and table.store.compared:
        manifest = replace(manifest, near=table.store.near)
    elif draws:
        manifest = with_near(
            manifest, images, facts=[facts[row] for row in keep.tolist()], workers=workers, progress=progress
        )
    lost = tuple(facts[row].sha256.hex() for row, _ in bad)
    nothing = Split("train", keep[:0], keep[:0], table.classes, images)
    left = dict(table.ignored), (*table.unused, *refused())
    data = Data(place, table.classes, manifest, nothing, None, None, images, rules, excluded, lost, *left)
    return _divided(data, manifest, images)


def read_table(
    path: Path,
    progress: Progress | None = None,
    *,
    lenient: bool = False,
    labels: LabelRule | None = None,
    follow_links: bool = False,
) -> Table:
    """The table of a path. A source that only brings data here (an archive, a URL) hands on to the next.

    Args:
        lenient: leave it to the audit to name what is wrong with the classes, where the source can.
        labels: how several labels of an image are said.
        follow_links: in folders and in lists.

    Raises:
        DataError: nothing is there, nothing reads it, or its layout is broken.
        UsageError: the source has one label an image, and several were said to be there.
    """
    for _ in range(4):
        source = find_source(path)
        fetch = getattr(source, "fetch", None)
        if fetch is None:
            takes = inspect.signature(source.read).parameters
            given: dict[str, Any] = {"strict": False} if lenient and "strict" in takes else {}
            if labels:
                _check_multilabel(takes, path)
                given["labels"] = labels
            if "follow_links" in takes:
                given["follow_links"] = follow_links
            table = _read(source, path, given)
            odd = next((name for name in table.classes if not _writable(name)), None)
            if odd is not None:
                raise DataError(f"{path}: the class {odd!a} has a name that isn't UTF-8.\nRename it.")
            if table.root is None or follow_links or "follow_links" in takes:
                return table
            return replace(table, links=_links(table.root, table.paths.tolist()))
        path = fetch(path, progress)
    raise DataError(f"{path}: an archive in an archive in an archive.\nUnpack it first.")


def _read(source: Source, path: Path, given: dict[str, Any]) -> Table:
    try:
        return cast(Table, cast(Any, source.read)(path, **given))
    except (BakeoffError, OSError):
        raise
    except Exception as error:  # of NumPy, zlib, pyarrow, ...
        raise DataError(f"{path}: {said(error)}.\nMend it, or get it anew.") from error


def _links(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Those of a list's paths that are symbolic links, or lead through one below the list's folder."""

    @cache
    def through(folder: str) -> bool:
        relative = bool(folder) and not os.path.isabs(folder)
        return relative and (os.path.islink(root / folder) or through(os.path.dirname(folder)))

    return tuple(path for path in paths if os.path.islink(root / path) or through(os.path.dirname(path)))


def _writable(name: str) -> bool:
    """Whether a name can be written as UTF-8: names of folders are bytes, and may be anything."""
    return name == name.encode("utf-8", "replace").decode("utf-8")


def _check_multilabel(takes: Mapping[str, Any], path: Path) -> None:
    if "labels" not in takes:
        raise UsageError(
            f"{path}: has one label an image; data.label_separator and data.label_columns are for lists with several "
            "(CSV, JSON Lines, Parquet).\nLeave them out."
        )


def find_source(path: Path) -> Source:
    """The source of the highest priority that accepts a path.

    Raises:
        DataError: nothing is there, or nothing reads it.
    """
    sources = [cast(Source, registry.load(SOURCES, name)) for name in registry.names(SOURCES)]
    for source in sorted(sources, key=lambda each: -each.PRIORITY):
        if source.accepts(path):
            return source
    if not path.exists():
        raise DataError(f"{path}: {absent(path)}\n{remedy(path)}")
    raise DataError(
        f"{path}: a file that no data source reads ({', '.join(registry.names(SOURCES))}).\n"
        "Give a folder of class folders, a table of paths and labels, an archive, or an .npz of arrays."
    )


def address(path: str | os.PathLike[str]) -> str:
    """How a run names its data: the absolute path of what lies on this machine, else the words as they came."""
    place = Path(path).expanduser()
    return str(place.resolve()) if place.exists() else str(path)


def with_near(
    manifest: Manifest,
    images: Images,
    *,
    facts: Sequence[FileFacts],
    workers: int | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """The manifest with its near copies; images with a side below `perceptual_hash.SIDE` pixels have none."""
    large = np.array([min(fact.height, fact.width) >= SIDE for fact in facts], bool)
    rows = np.flatnonzero(large)
    if not len(rows):
        return manifest
    perceptual = perceptual_hashes_at(manifest, images, rows, workers=workers, progress=progress)
    pairs = rows[near_pairs(perceptual, manifest.sha256[rows])]
    return replace(manifest, near=joined(len(manifest), pairs)) if len(pairs) else manifest


def perceptual_hashes_at(
    manifest: Manifest,
    images: Images,
    rows: NDArray[np.int64],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PerceptualHashes:
    """The perceptual hashes of these rows; of files they are kept in the cache."""
    pixels = images.table.pixels
    if pixels is not None and pixels.shape[1:3] == (SIDE, SIDE):
        return perceptual_hashes_of_arrays(pixels[rows])
    return perceptual_hashes_of(
        manifest.sha256[rows],
        lambda row: images.source(int(rows[row])),
        place=images.table.root,
        known=images.shrunk,
        workers=default_workers(workers),
        progress=progress,
    )


def default_workers(workers: int | None) -> int:
    """As asked, else one thread a core that this process may use, at most 8."""
    if workers is not None:
        return workers
    return min(cpus(), 8)


def _divided(data: Data, manifest: Manifest, images: Images) -> Data:
    counts = counts_of(manifest.labels, len(manifest.classes))
    if not counts.all() and not multilabel(manifest.labels) and not data.rules.judged:
        name = manifest.classes[int(np.argmin(counts))]
        raise DataError(f"{data.path}: class {name!r} has no readable image.\nAdd some, or remove the class.")
    try:
        assignment = assignment_of(manifest, data.rules, fixed=images.table.pixels is not None)
    except DataError:
        if not data.rules.judged:
            raise
        assignment = np.where(manifest.split < 0, np.int8(SPLITS.index("test")), manifest.split)
        data = replace(data, unused=(*data.unused, "a class has too few images to be split: all are the test set"))
    made: dict[str, Split | None] = {}
    for code, name in enumerate(SPLITS):
        rows = np.flatnonzero(assignment == code)
        split = Split(cast(SplitName, name), rows, manifest.labels[rows], manifest.classes, images)
        made[name] = split if len(rows) else None
    train = made["train"] or (data.train if data.rules.judged else None)
    if train is None:
        raise DataError(f"{data.path}: no readable image to train on.\nAdd some to the training set.")
    return replace(
        data, manifest=manifest, images=images, train=train, validation=made["validation"], test=made["test"]
    )


def _decode_all(
    images: Images, signature: Signature | None, workers: int, progress: Progress | None, keep: bool
) -> list[Bad]:
    if images.table.pixels is not None:
        return []
    if signature is None and images.size is not None and keep:
        signature = Signature(images.size, channels=images.channels)
    if images.table.store is not None and (signature is None or not images.view(signature).keeps):
        return []  # they were decoded when they were written, and what is read is what was written
    every = np.arange(len(images))
    if signature is None:
        found = in_threads(lambda chunk: _only_decode(images, chunk), every.tolist(), workers, progress)
        return [bad for part in found for bad in part]
    view = images.view(signature)
    missing = view.missing(every).tolist()
    if not missing:
        return []
    bad = [bad for part in in_threads(view.load, missing, workers, progress) for bad in part]
    view.save()
    return bad


def _only_decode(images: Images, records: list[int]) -> list[Bad]:
    bad: list[Bad] = []
    for record in records:
        try:
            decode(cast(str, images.source(record)))
        except DataError as error:
            bad.append((record, str(error)))
    return bad
