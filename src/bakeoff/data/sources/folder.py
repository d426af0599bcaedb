"""A folder of class folders, with or without split folders above them.

    DATA/cat/1.jpg                    split by Bakeoff
    DATA/train/cat/1.jpg              with validation (or val, valid) and test beside it, or not

Rules:
    classes   the names of the class folders, sorted by code point; with splits, those of `train`. Names that differ
              only by case, blanks or Unicode form are refused.
    splits    where `train` lies beside another split folder, or alone and holds folders. Other folders beside them
              are left out and counted.
    pictures  files with a picture's suffix in a class folder, at any depth; the rest is left out and counted by suffix
    hidden    names with a leading dot, Thumbs.db, desktop.ini and __MACOSX are left out and counted
    links     to files, class folders and split folders are followed; to folders below a class left out and counted;
              broken ones are bad files
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

from bakeoff.errors import DataError
from bakeoff.preprocessing import SUFFIXES
from bakeoff.protocols import Table

PRIORITY = 0

_SPLITS = {"train": 0, "training": 0, "validation": 1, "val": 1, "valid": 1, "test": 2, "testing": 2}
_SYSTEM = frozenset(["thumbs.db", "desktop.ini", "__macosx"])


def accepts(path: Path) -> bool:
    """Any folder."""
    return path.is_dir()


def read(path: Path) -> Table:
    """The table of a folder.

    Raises:
        DataError: no class folders, one only, one without pictures, names that clash.
    """
    ignored: Counter[str] = Counter()
    folders = _folders(path, ignored)
    splits = _split_folders(path, folders, ignored)
    roots = splits or {-1: path}
    if not splits:
        ignored.clear()  # this folder is counted below, as the one that holds the classes
    classes = _classes(next(iter(roots.values())))
    paths: list[str] = []
    labels: list[int] = []
    split: list[int] = []
    for code, root in roots.items():
        for name, folder in _folders(root, ignored).items():
            if name not in classes:
                raise DataError(f"{folder}: no such class in {roots[0]}.\nEvery class needs pictures to train on.")
            found = _pictures(folder, ignored)
            if not found:
                raise DataError(f"{folder}: a class folder without pictures{_suffixes(ignored)}.\nFill or remove it.")
            paths += [os.path.relpath(file, path).replace(os.sep, "/") for file in found]
            labels += [classes.index(name)] * len(found)
            split += [code] * len(found)
    return Table(
        classes, np.array(paths), np.array(labels, np.int64), np.array(split, np.int8), root=path, ignored=dict(ignored)
    )


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: can't be read ({(error.strerror or 'I/O error').lower()}).") from None


def _folders(root: Path, ignored: Counter[str]) -> dict[str, Path]:
    """Visible folders by name, sorted by code point."""
    entries = _entries(root)
    ignored.update(_kind(entry.name) for entry in entries if not entry.is_dir())
    ignored.update("hidden" for entry in entries if entry.is_dir() and _hidden(entry.name))
    return {entry.name: root / entry.name for entry in entries if entry.is_dir() and not _hidden(entry.name)}


def _kind(name: str) -> str:
    if _hidden(name):
        return "hidden"
    suffix = Path(name).suffix.lower()
    return "outside the class folders" if suffix in SUFFIXES else suffix or "no suffix"


def _split_folders(root: Path, folders: dict[str, Path], ignored: Counter[str]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for name, folder in folders.items():
        code = _SPLITS.get(name.casefold())
        if code is None:
            continue
        if code in found and 0 in [_SPLITS.get(n.casefold()) for n in folders]:
            raise DataError(f"{root}: both {found[code].name} and {name} are there.\nKeep one of them.")
        found[code] = folder
    alone = len(folders) == 1 and 0 in found and bool(_folders(found[0], Counter()))
    if 0 not in found or (len(found) == 1 and not alone):
        return {}
    beside = len(folders) - len(found)
    if beside:
        ignored["folders beside the splits"] += beside
    return dict(sorted(found.items()))


def _classes(root: Path) -> tuple[str, ...]:
    names = tuple(_folders(root, Counter()))
    if len(names) < 2:
        raise DataError(_too_few(root, names))
    seen: dict[str, str] = {}
    for name in names:
        same = seen.setdefault(" ".join(unicodedata.normalize("NFKC", name).casefold().split()), name)
        if same != name:
            raise DataError(
                f"{root}: classes {same!r} and {name!r} differ only by case or blanks.\nRename or merge them."
            )
    return names


def _too_few(root: Path, names: tuple[str, ...]) -> str:
    if names:
        inner = len(_folders(root / names[0], Counter()))
        remedy = f"\nDid you mean {root / names[0]}?" if inner > 1 else "\nPut the pictures of each class in a folder."
        return f"{root}: one class only, {names[0]!r}; a classifier needs two or more.{remedy}"
    loose = any(Path(entry.name).suffix.lower() in SUFFIXES for entry in _entries(root))
    what = "pictures, but no class folders" if loose else "an empty folder; expected class folders with pictures"
    return f"{root}: {what}.\nPut the pictures of each class in a folder of its own: {root.name}/CLASS/1.jpg"


def _suffixes(ignored: Counter[str]) -> str:
    found = sorted(name for name in ignored if name.startswith("."))
    return f" (left out: {', '.join(found[:5])})" if found else ""


def _pictures(folder: Path, ignored: Counter[str]) -> list[str]:
    """Paths of the picture files below a class folder, folder by folder, each sorted by code point."""
    found: list[str] = []
    below: list[Path] = []
    for entry in _entries(folder):
        if _hidden(entry.name):
            ignored["hidden"] += 1
        elif entry.is_dir():
            if entry.is_symlink():
                ignored["linked folder"] += 1
            else:
                below.append(Path(entry.path))
        elif Path(entry.name).suffix.lower() in SUFFIXES:
            found.append(entry.path)
        else:
            ignored[Path(entry.name).suffix.lower() or "no suffix"] += 1
    for inner in below:
        found += _pictures(inner, ignored)
    return found
