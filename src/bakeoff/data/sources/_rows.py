"""From rows of path, label, split and group to a table: what the sources of lists share.

An image has one label, or several: a list in its cell (JSON Lines, Parquet), words with a stated separator between
them, or a column a class of 0 and 1. Columns a class in which each row has exactly one 1 are one label each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.sources._cells import class_name, text, words
from bakeoff.data.sources._names import check, few, ordered
from bakeoff.data.sources._structure import code_of
from bakeoff.errors import DataError
from bakeoff.protocols import LabelRule, Table
from bakeoff.registry import nearest

PATHS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath", "img")
LABELS = ("label", "class", "category", "target", "class_name", "labels")
SPLITS = ("split", "subset", "set", "partition", "fold_name", "fold", "is_valid", "is_validation", "is_test")
GROUPS = ("group", "patient", "patient_id", "subject", "subject_id", "group_id")
_FLAGGED = {"is_valid": "validation", "is_validation": "validation", "is_test": "test"}
FLAGS = {"0": False, "1": True, "false": False, "true": True, "": False}
NO_RULE = LabelRule()


class Row(NamedTuple):
    """An image in a list; several labels, or none, are a tuple."""

    path: str
    label: str | tuple[str, ...]
    split: str = ""
    group: str = ""


class Columns(NamedTuple):
    """Names of the columns that a list has; None for one that it doesn't have.

    Attributes:
        label: None where there is a column a class.
        classes: those columns.
        separator: stands between labels in a cell.
    """

    path: str
    label: str | None
    split: str | None
    group: str | None
    classes: tuple[str, ...] = ()
    separator: str | None = None

    @property
    def names(self) -> list[str]:
        """Of all columns that are read."""
        return [name for name in (self.path, self.label, self.split, self.group, *self.classes) if name is not None]

    def unused(self, place: Path, names: Sequence[str]) -> tuple[str, ...]:
        """The line that names the columns which aren't read; none where all are."""
        others = [name for name in names if name.strip() and name not in self.names]
        return (f"not used: {len(others)} of {len(names)} columns of {place.name}: {few(others)}",) if others else ()

    def labels(self, place: Path, number: int, row: Mapping[str, Any]) -> str | tuple[str, ...]:
        """The label of a row, or its labels.

        Raises:
            DataError: a column of a class has something else than 0 and 1.
        """
        if self.label is not None:
            return labels_of(place, number, row.get(self.label), self.separator)
        return tuple(name for name in self.classes if self._flag(place, number, name, row.get(name)))

    def side(self, place: Path, number: int, row: Mapping[str, Any]) -> str:
        """The word of a row's split; "" where it says none.

        Raises:
            DataError: a column such as `is_valid` has something else than 0 and 1.
        """
        if self.split is None:
            return ""
        flagged = _FLAGGED.get(self.split.strip().casefold())
        if flagged is None:
            return words(row.get(self.split))
        return flagged if self._flag(place, number, self.split, row.get(self.split)) else "train"

    def _flag(self, place: Path, number: int, name: str, value: object) -> bool:
        found = FLAGS.get(words(value))
        if found is None:
            raise DataError(
                f"{place}: row {number} has {str(value)!r} in the column {name!r}; expected 0 or 1.\n"
                "Expected `path` and `label`, or say which columns are classes: --set data.label_columns=[...]"
            )
        return found


def columns_of(
    place: Path, names: Sequence[str], rule: LabelRule = NO_RULE, *, folds_are_splits: bool = False
) -> Columns:
    """The columns by their usual names, whatever their case; without a label, the others are a column a class.

    Args:
        folds_are_splits: a column `fold` holds words like train; else it is one of those that aren't used.

    Raises:
        DataError: there is none for the paths or the labels, or the rule names one that isn't there.
    """
    found = [_first(names, known) for known in (PATHS, LABELS, SPLITS, GROUPS)]
    path, label, split, group = found
    for name in rule.columns:
        if name not in names:
            raise DataError(
                f"{place}: no column {name!r}, which data.label_columns names{nearest(name, list(names))}\n"
                f"It has: {', '.join(map(repr, names[:20]))}."
            )
    if split is not None and split.strip().casefold() == "fold" and not folds_are_splits:
        split = _first(names, SPLITS[SPLITS.index("fold") + 1 :])
    found = [path, label, split, group]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{place}: it has two columns {twice!r}.\nRename or remove one of them.")
    others = tuple(name for name in names if name not in found) if label is None else ()
    classes = rule.columns or others
    if path is None or (label is None and len(classes) < 2):
        raise DataError(
            f"{place}: its columns are {', '.join(map(repr, names[:8]))}.\n"
            "Expected `path` and `label` (or a column a class, of 0 and 1), and where there are, `split` and `group`."
        )
    return Columns(path, None if classes else label, split, group, classes, rule.separator)


def labels_of(place: Path, number: int, value: object, separator: str | None) -> str | tuple[str, ...]:
    """What a cell says: a list is several labels; words are one, or several with the separator between them.

    Raises:
        DataError: it names no class.
    """
    if isinstance(value, list | tuple):
        return tuple(dict.fromkeys(class_name(place, number, each) for each in value))
    if separator is None:
        return class_name(place, number, value)
    parts = [part for part in text(value).split(separator) if part.strip()]
    return tuple(dict.fromkeys(class_name(place, number, part) for part in parts))


def _first(names: Sequence[str], known: Sequence[str]) -> str | None:
    plain = {name.strip().casefold(): name for name in reversed(names)}
    return next((plain[name] for name in known if name in plain), None)


def table_of(
    place: Path,
    rows: Iterable[Row],
    *,
    strict: bool = True,
    columns: Sequence[str] = (),
    certain: bool = False,
    unused: tuple[str, ...] = (),
) -> Table:
    """The table of a list; paths are relative to the folder of `place`, classes in the order of `classes.txt` there.

    Without that file, classes are sorted: as numbers where all are whole numbers, else by code point.

    Args:
        columns: of a column a class; they are the classes, in this order.
        certain: images have several labels even where each row has exactly one.
        unused: what of the list isn't read.

    Raises:
        DataError: no rows, an empty path or label, an unknown split, fewer than two classes, names that clash.
    """
    listed = list(rows)
    if not listed:
        raise DataError(f"{place}: no rows.\nExpected one an image, with path and label.")
    for number, row in enumerate(listed, 1):
        if not row.path:
            raise DataError(f"{place}: row {number} has no path.\nMend or remove it.")
        if code_of(row.split) is None:
            raise DataError(f"{place}: row {number} has split {row.split!r}; expected train, validation or test.")
    classes, labels, more = _labelled(place, [row.label for row in listed], tuple(columns), certain)
    if strict:
        check(place, classes)
    groups = np.array([row.group for row in listed], np.str_)
    return Table(
        classes,
        np.array([_there(place.parent, row.path) for row in listed], np.str_),
        labels,
        np.array([code_of(row.split) for row in listed], np.int8),
        root=place.parent,
        group=groups if (groups != "").any() else None,
        unused=(*unused, *more),
    )


def _there(folder: Path, path: str) -> str:
    """A path as this system has it: as Windows wrote it, and with blanks around it, where only that leads to a file."""
    plain = path.replace("\\", "/").strip()
    return path if plain == path or (folder / path).exists() or not (folder / plain).exists() else plain


def _labelled(
    place: Path, given: Sequence[str | tuple[str, ...]], columns: tuple[str, ...], certain: bool
) -> tuple[tuple[str, ...], NDArray[Any], tuple[str, ...]]:
    """Class names, labels of either kind (`bakeoff.data.labels`), and what isn't used of `classes.txt`."""
    lists = [(label,) if isinstance(label, str) else label for label in given]
    known = ordered(place.parent, {name for names in lists for name in names})
    classes, unused = (columns, ()) if columns else known
    number_of = {name: number for number, name in enumerate(classes)}
    one_each = all(len(names) == 1 for names in lists)
    multilabel = any(not isinstance(label, str) for label in given)
    if not multilabel or (columns and one_each and not certain):
        return classes, np.array([number_of[names[0]] for names in lists], np.int64), unused
    found = np.zeros((len(lists), len(classes)), np.uint8)
    for row, names in enumerate(lists):
        found[row, [number_of[name] for name in names]] = 1
    return classes, found, unused
