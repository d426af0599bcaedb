"""A folder of class folders, with or without split folders above them.

    DATA/cat/1.jpg                    split by Bakeoff
    DATA/train/cat/1.jpg              with validation (or val, valid) and test beside it, or not

Rules:
    structure which folders are splits, and which are classes: `_structure`. What can be read in two ways is refused,
              unless `classes.txt` in DATA names the classes.
    classes   the names of the class folders, in the order of `_names`; with splits, those of `train`. Names that differ
              only by case, blanks or Unicode form are refused. A test set may lack some.
    images    what is an image by `bakeoff.preprocessing.formats`, in a class folder, at any depth; the rest is left out
              and counted by suffix
    hidden    what systems and editors leave behind is left out and counted
    links     an image or folder that is a symbolic link is a bad file, and never followed, unless that is asked for.
              Hard links are files like others. DATA itself may be a link.
    unused    what else a user may have meant (images beside the class folders, with another suffix) is named

Not `strict`, it finds the same without refusing anything: the audit names what `read` stops at.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np

from bakeoff.data.sources import _names
from bakeoff.data.sources._structure import Inside, Layout, is_system, layout
from bakeoff.errors import DataError
from bakeoff.preprocessing import is_image
from bakeoff.preprocessing.formats import meant_as_image, suffix_of
from bakeoff.protocols import Table

PRIORITY = 0


def accepts(path: Path) -> bool:
    """Any folder."""
    return path.is_dir()


def read(path: Path, *, strict: bool = True, follow_links: bool = False) -> Table:
    """The table of a folder; if not `strict`, whatever is wrong with its classes: clashes, empty ones, one split only.

    Args:
        follow_links: symbolic links are the files and folders that they lead to.

    Raises:
        DataError: no class folders; if strict, one only, one without images, names that clash, two ways to read it.
    """
    seen = _Seen(path, follow_links)
    found = layout(path, cache(_look), set(_names.listed(path)))
    if found.doubt and strict:
        raise DataError(found.doubt)
    if link := next((folder for folder in found.above[1:] if folder.is_symlink() and not follow_links), None):
        raise DataError(
            f"{path}: {link.name} is a symbolic link, which isn't followed.\n"
            "Follow it with --follow-links, or give a folder that holds the images."
        )
    seen.left_beside(found)
    classes, unused = _classes(path, found, strict)
    paths: list[str] = []
    labels: list[int] = []
    split: list[int] = []
    for code, name, folder in found.places:
        if name not in classes:
            raise DataError(f"{folder}: no such class in the training set.\nEvery class needs images to train on.")
        images = _images(folder, seen)
        if not images and strict:
            raise DataError(f"{folder}: a class folder without images{_suffixes(seen)}.\nFill or remove it.")
        paths += [seen.relative(file) for file in images]
        labels += [classes.index(name)] * len(images)
        split += [code] * len(images)
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
        unused=(*(line for line in found.doubt.split("\n")[:1] if line), *unused, *seen.unused()),
    )


def images_below(folder: Path, *, follow_links: bool = False) -> tuple[list[str], set[str], tuple[str, ...]]:
    """Paths of the images in a folder at any depth; which of them are links that aren't followed; what isn't used."""
    seen = _Seen(folder, follow_links)
    return _images(folder, seen, linked=True), {os.path.join(folder, name) for name in seen.links}, seen.unused()


class _Seen:
    """What was met besides images."""

    def __init__(self, root: Path, follow_links: bool = False) -> None:
        self.root, self.follow_links = root, follow_links
        self.ignored: Counter[str] = Counter()
        self.hidden: list[str] = []
        self.others: list[str] = []
        self.links: list[str] = []

    def relative(self, path: str | Path) -> str:
        """A path as the user would type it behind DATA."""
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def left_out(self, path: str, kind: str = "") -> None:
        """A file or folder that is no image by rule; of its suffix, if there is no other reason."""
        kind = kind or suffix_of(path) or "no suffix"
        self.ignored[kind] += 1
        (self.hidden if kind == "hidden" else self.others).append(self.relative(path))

    def left_beside(self, found: Layout) -> None:
        """What lies beside and above the class folders."""
        inside = {place.folder for place in found.places} | set(found.above)
        for folder in dict.fromkeys(found.above):
            for entry in _entries(folder):
                if is_system(entry.name):
                    self.left_out(entry.path, "hidden")
                elif not entry.is_dir():
                    self.left_out(entry.path, "outside the class folders" if is_image(entry.path) else "")
                elif folder / entry.name not in inside:
                    self.left_out(entry.path, "folders beside the splits")

    def is_link(self, path: str | Path) -> bool:
        """Whether a file or folder is a symbolic link that isn't followed; it is then remembered."""
        found = not self.follow_links and os.path.islink(path)
        self.links += [self.relative(path)] * found
        return found

    def unused(self) -> tuple[str, ...]:
        """What a user may have meant to be used, a line a kind."""
        places = [(name, self.root / name) for name in self.others]
        beside = [name for name, place in places if place.is_dir()]
        loose = [name for name, place in places if name not in beside and is_image(place)]
        others = Counter(suffix_of(name) or "no suffix" for name, place in places if meant_as_image(place))
        suffixes = ", ".join(f"{suffix} {count:,}" for suffix, count in others.most_common(5))
        return (
            *([f"not used: {_names.few(beside)} (beside the split folders)"] if beside else []),
            *([f"not used: {_images_of(len(loose))} outside the class folders: {_names.few(loose)}"] if loose else []),
            *([f"not used: {_images_of(others.total())}, for their suffix: {suffixes}"] if others else []),
        )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: can't be read ({(error.strerror or 'I/O error').lower()}).") from None


def _look(folder: Path) -> Inside:
    """Visible folders by name, sorted by code point, links to folders too; and whether images lie beside them."""
    entries = [entry for entry in _entries(folder) if not is_system(entry.name)]
    folders = {entry.name: folder / entry.name for entry in entries if entry.is_dir()}
    return Inside(folders, any(_is_image(entry) for entry in entries))


def _is_image(entry: os.DirEntry[str]) -> bool:
    return not entry.is_dir() and is_image(entry.path)


def _classes(root: Path, found: Layout, strict: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of the training set, or of all splits if not `strict`; and what isn't used of `classes.txt`."""
    first = found.places[0].split if found.places else -1
    names = {place.name for place in found.places if place.split == first or not strict}
    if len(names) < (2 if strict else 1):
        raise DataError(_too_few(found.above[-1] if not found.places else found.places[0].folder.parent, tuple(names)))
    classes, unused = _names.ordered(root, names)
    if strict:
        _names.check(root, classes)
    return classes, unused


def _too_few(root: Path, names: tuple[str, ...]) -> str:
    if names:
        inner = len(_look(root / names[0]).folders)
        remedy = f"\nDid you mean {root / names[0]}?" if inner > 1 else "\nPut the images of each class in a folder."
        return f"{root}: one class only, {names[0]!r}; a classifier needs two or more.{remedy}"
    loose = any(map(_is_image, _entries(root)))
    what = "images, but no class folders" if loose else "an empty folder; expected class folders with images"
    return f"{root}: {what}.\nPut the images of each class in a folder of its own: {root.name}/CLASS/1.jpg"


def _suffixes(seen: _Seen) -> str:
    found = sorted(name for name in seen.ignored if name.startswith("."))
    return f" (left out: {', '.join(found[:5])})" if found else ""


def _images(folder: Path, seen: _Seen, above: tuple[str, ...] = (), *, linked: bool = False) -> list[str]:
    """Paths of the image files below a folder, folder by folder, each sorted by code point; links, too.

    Args:
        above: the folders that it lies in, as they really are: a link to one of them would never end.
        linked: the folder itself may be a link.
    """
    if not linked and seen.is_link(folder):
        return [str(folder)]
    within = (*(above or (os.path.realpath(seen.root),)), os.path.realpath(folder))
    found: list[str] = []
    below: list[Path] = []
    for entry in _entries(folder):
        if is_system(entry.name):
            seen.left_out(entry.path, "hidden")
        elif entry.is_dir():
            below.append(Path(entry.path))
        elif is_image(entry.path):
            found.append(entry.path)
            if entry.is_symlink():
                seen.is_link(entry.path)
        else:
            seen.left_out(entry.path)
    for inner in below:
        if not seen.follow_links or os.path.realpath(inner) not in within:
            found += _images(inner, seen, within)
    return found


def _images_of(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"
