"""A folder of class folders, with or without split folders above them.

    DATA/cat/1.jpg                    split by Bakeoff
    DATA/train/cat/1.jpg              with validation (or val, valid) and test beside it, or not

Rules:
    classes   the names of the class folders, sorted by code point; with splits, those of `train`. Names that differ
              only by case, blanks or Unicode form are refused.
    splits    where `train` lies beside another split folder, or alone and holds folders. Other folders beside them
              are left out and counted.
    images  files with an image's suffix in a class folder, at any depth; the rest is left out and counted by suffix
    hidden    names with a leading dot, Thumbs.db, desktop.ini and __MACOSX are left out and counted
    links     symbolic links are refused: an image or folder that is one is a bad file, and never followed. Hard links
              are files like others. DATA itself may be a link.

Not `strict`, it finds the same without refusing anything: the audit names what `read` stops at.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
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


def read(path: Path, *, strict: bool = True) -> Table:
    """The table of a folder; if not `strict`, whatever is wrong with its classes: clashes, empty ones, one split only.

    Raises:
        DataError: no class folders; if strict, one only, one without images, names that clash.
    """
    seen = _Seen(path)
    folders = _folders(path, seen)
    splits = _split_folders(path, folders, seen)
    roots = splits or {-1: path}
    if not splits:
        seen.clear()  # this folder is counted below, as the one that holds the classes
    classes = _classes(next(iter(roots.values()))) if strict else _all_classes(path, roots)
    paths: list[str] = []
    labels: list[int] = []
    split: list[int] = []
    for code, root in roots.items():
        for name, folder in _folders(root, seen).items():
            if name not in classes:
                raise DataError(f"{folder}: no such class in {roots[0]}.\nEvery class needs images to train on.")
            found = _images(folder, seen)
            if not found and strict:
                raise DataError(f"{folder}: a class folder without images{_suffixes(seen)}.\nFill or remove it.")
            paths += [seen.relative(file) for file in found]
            labels += [classes.index(name)] * len(found)
            split += [code] * len(found)
    return Table(
        classes,
        np.array(paths, np.str_),
        np.array(labels, np.int64),
        np.array(split, np.int8),
        root=path,
        ignored=dict(seen.ignored),
        hidden=tuple(seen.hidden),
        others=tuple(seen.others),
        links=tuple(seen.links),
    )


class _Seen:
    """What was met besides images."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clear()

    def clear(self) -> None:
        """Forget it."""
        self.ignored: Counter[str] = Counter()
        self.hidden: list[str] = []
        self.others: list[str] = []
        self.links: list[str] = []

    def relative(self, path: str | Path) -> str:
        """A path as the user would type it behind DATA."""
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def left_out(self, path: str, kind: str) -> None:
        """A file or folder that is no image by rule."""
        self.ignored[kind] += 1
        (self.hidden if kind == "hidden" else self.others).append(self.relative(path))

    def link(self, path: str) -> None:
        """A symbolic link."""
        self.links.append(self.relative(path))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: can't be read ({(error.strerror or 'I/O error').lower()}).") from None


def _folders(root: Path, seen: _Seen) -> dict[str, Path]:
    """Visible folders by name, sorted by code point; links to folders, too."""
    entries = _entries(root)
    for entry in entries:
        if not entry.is_dir():
            seen.left_out(entry.path, _kind(entry.name))
        elif _hidden(entry.name):
            seen.left_out(entry.path, "hidden")
    return {entry.name: root / entry.name for entry in entries if entry.is_dir() and not _hidden(entry.name)}


def _kind(name: str) -> str:
    if _hidden(name):
        return "hidden"
    suffix = Path(name).suffix.lower()
    return "outside the class folders" if suffix in SUFFIXES else suffix or "no suffix"


def _split_folders(root: Path, folders: dict[str, Path], seen: _Seen) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for name, folder in folders.items():
        code = _SPLITS.get(name.casefold())
        if code is None:
            continue
        if code in found and 0 in [_SPLITS.get(n.casefold()) for n in folders]:
            raise DataError(f"{root}: both {found[code].name} and {name} are there.\nKeep one of them.")
        found[code] = folder
    alone = len(folders) == 1 and 0 in found and bool(_folders(found[0], _Seen(root)))
    if 0 not in found or (len(found) == 1 and not alone):
        return {}
    for name, folder in folders.items():
        if folder not in found.values():
            seen.left_out(str(folder), "folders beside the splits")
        elif folder.is_symlink():
            raise DataError(
                f"{root}: {name} is a symbolic link, which isn't followed.\nGive a folder that holds the images."
            )
    return dict(sorted(found.items()))


def _classes(root: Path) -> tuple[str, ...]:
    names = tuple(_folders(root, _Seen(root)))
    if len(names) < 2:
        raise DataError(_too_few(root, names))
    for same, name in clashes(names):
        raise DataError(f"{root}: classes {same!r} and {name!r} differ only by case or blanks.\nRename or merge them.")
    return names


def _all_classes(path: Path, roots: dict[int, Path]) -> tuple[str, ...]:
    names = {name for root in roots.values() for name in _folders(root, _Seen(path))}
    if not names:
        raise DataError(_too_few(path, ()))
    return tuple(sorted(names))


def clashes(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of class names that differ only by case, blanks or Unicode form."""
    first: dict[str, str] = {}
    found = []
    for name in names:
        same = first.setdefault(" ".join(unicodedata.normalize("NFKC", name).casefold().split()), name)
        if same != name:
            found.append((same, name))
    return found


def _too_few(root: Path, names: tuple[str, ...]) -> str:
    if names:
        inner = len(_folders(root / names[0], _Seen(root)))
        remedy = f"\nDid you mean {root / names[0]}?" if inner > 1 else "\nPut the images of each class in a folder."
        return f"{root}: one class only, {names[0]!r}; a classifier needs two or more.{remedy}"
    loose = any(Path(entry.name).suffix.lower() in SUFFIXES for entry in _entries(root))
    what = "images, but no class folders" if loose else "an empty folder; expected class folders with images"
    return f"{root}: {what}.\nPut the images of each class in a folder of its own: {root.name}/CLASS/1.jpg"


def _suffixes(seen: _Seen) -> str:
    found = sorted(name for name in seen.ignored if name.startswith("."))
    return f" (left out: {', '.join(found[:5])})" if found else ""


def _images(folder: Path, seen: _Seen) -> list[str]:
    """Paths of the image files below a class folder, folder by folder, each sorted by code point; links, too."""
    if folder.is_symlink():
        seen.link(str(folder))
        return [str(folder)]
    found: list[str] = []
    below: list[Path] = []
    for entry in _entries(folder):
        if _hidden(entry.name):
            seen.left_out(entry.path, "hidden")
        elif entry.is_dir():
            below.append(Path(entry.path))
        elif Path(entry.name).suffix.lower() in SUFFIXES:
            found.append(entry.path)
            if entry.is_symlink():
                seen.link(entry.path)
        else:
            seen.left_out(entry.path, Path(entry.name).suffix.lower() or "no suffix")
    for inner in below:
        found += _images(inner, seen)
    return found
