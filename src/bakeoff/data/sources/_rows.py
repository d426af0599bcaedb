"""From rows of path, label, split and group to a table: what the sources of lists share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bakeoff.data.sources.folder import clashes
from bakeoff.errors import DataError
from bakeoff.protocols import Table

PATHS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath", "img")
LABELS = ("label", "class", "category", "target", "class_name", "labels")
SPLITS = ("split", "subset", "set", "partition", "fold_name")
GROUPS = ("group", "patient", "patient_id", "subject", "subject_id", "group_id")
CODES = {
    "": -1,
    "train": 0,
    "training": 0,
    "validation": 1,
    "val": 1,
    "valid": 1,
    "dev": 1,
    "test": 2,
    "testing": 2,
}
CLASSES = "classes.txt"


class Row(NamedTuple):
    """A picture in a list."""

    path: str
    label: str
    split: str = ""
    group: str = ""


class Columns(NamedTuple):
    """Names of the columns that a list has; None for one that it doesn't have."""

    path: str
    label: str
    split: str | None
    group: str | None


def columns_of(place: Path, names: Sequence[str]) -> Columns:
    """The columns by their usual names, whatever their case.

    Raises:
        DataError: there is none for the paths or the labels.
    """
    found = [_first(names, known) for known in (PATHS, LABELS, SPLITS, GROUPS)]
    path, label, split, group = found
    if path is None or label is None:
        raise DataError(
            f"{place}: its columns are {', '.join(map(repr, names[:8]))}.\n"
            "Expected `path` and `label`, and where there are, `split` and `group`."
        )
    return Columns(path, label, split, group)


def _first(names: Sequence[str], known: Sequence[str]) -> str | None:
    plain = {name.strip().casefold(): name for name in reversed(names)}
    return next((plain[name] for name in known if name in plain), None)


def table_of(place: Path, rows: Iterable[Row], *, strict: bool = True) -> Table:
    """The table of a list; paths are relative to the folder of `place`, classes in the order of `classes.txt` there.

    Without that file, classes are sorted: as numbers where all are whole numbers, else by code point.

    Raises:
        DataError: no rows, an empty path or label, an unknown split, fewer than two classes, names that clash.
    """
    listed = list(rows)
    if not listed:
        raise DataError(f"{place}: no rows.\nExpected one a picture, with path and label.")
    for number, row in enumerate(listed, 1):
        if not row.path or not row.label:
            raise DataError(f"{place}: row {number} has no {'label' if row.path else 'path'}.\nMend or remove it.")
        if row.split.strip().casefold() not in CODES:
            raise DataError(f"{place}: row {number} has split {row.split!r}; expected train, validation or test.")
    classes = _classes(place, {row.label for row in listed})
    if strict:
        _check(place, classes)
    number_of = {name: number for number, name in enumerate(classes)}
    groups = np.array([row.group for row in listed], np.str_)
    return Table(
        classes,
        np.array([row.path for row in listed], np.str_),
        np.array([number_of[row.label] for row in listed], np.int64),
        np.array([CODES[row.split.strip().casefold()] for row in listed], np.int8),
        root=place.parent,
        group=groups if (groups != "").any() else None,
    )


def _classes(place: Path, labels: set[str]) -> tuple[str, ...]:
    order = place.parent / CLASSES
    if order.is_file():
        names = [line for line in order.read_text(encoding="utf-8").splitlines() if line]
        if labels <= set(names) and len(set(names)) == len(names):
            return tuple(names)
    if all(label.isascii() and label.lstrip("-").isdigit() for label in labels):
        return tuple(sorted(labels, key=int))
    return tuple(sorted(labels))


def _check(place: Path, classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        raise DataError(f"{place}: one class only, {classes[0]!r}; a classifier needs two or more.")
    for same, name in clashes(classes):
        raise DataError(f"{place}: classes {same!r} and {name!r} differ only by case or blanks.\nRename or merge them.")


def text(value: object) -> str:
    """A cell as text: 3.0 as 3, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)
