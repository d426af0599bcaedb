"""What the folders of a tree are: splits, classes, or left behind by a system. Decided by names and by what they hold.

name        what it means by itself: `train`, `Training Images`, `val2017`, `test_set`, `dev`, 测试集
prefixed    `seg_train`, `birds-test`: only where it holds class folders that another folder holds, too
ambiguous   two folders that hold the same class folders, and whose names don't say what they are
nested      a split folder with nothing but one folder in it (`seg_train/seg_train`) is what that one is
system      `@eaDir`, `$RECYCLE.BIN`, `__MACOSX`, thumbnails, names with a leading dot: never read
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from bakeoff.data.sources._names import CLASSES, plain
from bakeoff.errors import DataError

_WORDS = (
    (0, "train|training|trn|训练"),
    (1, "validation|validate|val|valid|dev|development|验证"),
    (2, "test|testing|tst|测试"),
)
_MORE = r"(?:[\W_]*(?:sets?|data|dataset|splits?|images?|imgs?|pictures|photos|folder|samples|集|\d+))*"
_SPLIT = [(code, re.compile(rf"(?P<before>.*?[\W_])?(?:{words}){_MORE}")) for code, words in _WORDS]
_SYSTEM = re.compile(
    r"\..*|thumbs\.db|ehthumbs\.db|desktop\.ini|__macosx|@eadir|@recycle|@syno.*|#recycle|\$recycle\.bin|recycler|"
    r"system volume information|lost\+found|_?thumb(?:nail)?s|icon\r"
)
_DEEPEST = 4
_SAME = 0.5  # of the class folders of the smaller of two folders, which the other holds, too


class Inside(NamedTuple):
    """What lies in a folder.

    Attributes:
        folders: those that a user sees, by name.
        images: whether there are images beside them.
    """

    folders: Mapping[str, Path]
    images: bool


Look = Callable[[Path], Inside]


class Place(NamedTuple):
    """A folder of images: its split, or -1, and its class."""

    split: int
    name: str
    folder: Path


class Layout(NamedTuple):
    """What a tree was taken for.

    Attributes:
        places: class folders, split by split.
        above: folders that hold them, the root first.
        beside: folders that are none of them.
        doubt: both readings, where there are two; it was then taken for classes.
    """

    places: tuple[Place, ...]
    above: tuple[Path, ...]
    beside: tuple[Path, ...] = ()
    doubt: str = ""


def is_system(name: str) -> bool:
    """Whether a system or an editor left it behind."""
    return _SYSTEM.fullmatch(plain(name)) is not None


def split_code(name: str, *, prefixed: bool = False) -> int | None:
    """The split that a name stands for, 0 to 2; None for another word.

    Args:
        prefixed: `seg_train` is one, too.
    """
    for code, pattern in _SPLIT:
        match = pattern.fullmatch(plain(name))
        if match and (prefixed or not match["before"]):
            return code
    return None


def code_of(word: str) -> int | None:
    """The split in a cell: -1 for an empty one, which says nothing; None for a word that isn't a split."""
    return split_code(word.strip()) if word.strip() else -1


def layout(root: Path, look: Look, told: Set[str]) -> Layout:
    """What the folders below `root` are.

    Args:
        look: what lies in a folder.
        told: names that the user has given classes; where all folders in `root` are among them, that is what they are.

    Raises:
        DataError: two folders for one split.
    """
    tops = dict(look(root).folders)
    classes = Layout(tuple(Place(-1, name, top) for name, top in tops.items()), (root,))
    if told and tops.keys() <= told:
        return classes
    inner = {name: {} if look(top).images else look(_descended(top, look)[-1]).folders for name, top in tops.items()}
    if splits := _splits(root, tops, inner):
        ways = {code: _descended(top, look) for code, top in splits.items()}
        places = [Place(code, *item) for code, way in ways.items() for item in look(way[-1]).folders.items()]
        beside = tuple(top for top in tops.values() if top not in splits.values())
        deeper = {place.name: look(place.folder).folders for place in places if not look(place.folder).images}
        doubt = "" if told and deeper.keys() <= told else _doubt(root, deeper, _same(deeper))
        return Layout(tuple(places), (root, *(step for way in ways.values() for step in way)), beside, doubt)
    parts = {name: [split_code(part) for part in look(top).folders] for name, top in tops.items()}
    by_class = [name for name, codes in parts.items() if 0 in codes and None not in codes]
    if len(tops) > 1 and len(by_class) == len(tops) and not any(look(top).images for top in tops.values()):
        items = [(name, *item) for name, top in tops.items() for item in look(top).folders.items()]
        return Layout(
            tuple(Place(split_code(part) or 0, name, way) for name, part, way in items), (root, *tops.values())
        )
    mixed = (by_class[0], by_class[1]) if len(by_class) > 1 else None
    shown = inner | ({name: look(tops[name]).folders for name in by_class})
    return classes._replace(doubt=_doubt(root, shown, _same(inner) or _train_alone(inner) or mixed))


def _splits(root: Path, tops: Mapping[str, Path], inner: Mapping[str, Mapping[str, Path]]) -> dict[int, Path]:
    """The split folders by code: `train` beside another one, or alone with folders in it."""
    shared = {name for pair in combinations(inner, 2) if _overlap(inner, *pair) for name in pair}
    codes = {name: split_code(name, prefixed=name in shared) for name in tops}
    found: dict[int, Path] = {}
    for name, code in codes.items():
        if code is None or 0 not in codes.values():
            continue
        if code in found:
            raise DataError(f"{root}: both {found[code].name} and {name} are there.\nKeep one of them.")
        found[code] = tops[name]
    alone = len(tops) == 1 and 0 in found and bool(next(iter(inner.values())))
    return dict(sorted(found.items())) if len(found) > 1 or alone else {}


def _descended(top: Path, look: Look) -> list[Path]:
    """The way to the folder that holds the class folders: one that is alone in another is gone into."""
    way = [top]
    for _ in range(_DEEPEST):
        inside = look(way[-1])
        only = next(iter(inside.folders.values()), top)
        if inside.images or len(inside.folders) != 1 or look(only).images or len(look(only).folders) < 2:
            break
        way.append(only)
    return way


def _same(inner: Mapping[str, Mapping[str, Path]]) -> tuple[str, str] | None:
    """The first two folders that hold the same folders."""
    return next((pair for pair in combinations(inner, 2) if _overlap(inner, *pair)), None)


def _overlap(inner: Mapping[str, Mapping[str, Path]], a: str, b: str) -> bool:
    least, both = min(len(inner[a]), len(inner[b])), len(inner[a].keys() & inner[b].keys())
    return both > 1 and both >= _SAME * least


def _train_alone(inner: Mapping[str, Mapping[str, Path]]) -> tuple[str, str] | None:
    """A folder `train` with folders in it, among others."""
    train = next((name for name, inside in inner.items() if split_code(name) == 0 and len(inside) > 1), None)
    other = next((name for name in inner if name != train), None)
    return (train, other) if train is not None and other is not None else None


def _doubt(root: Path, inner: Mapping[str, Mapping[str, Path]], pair: tuple[str, str] | None) -> str:
    """Both readings, in two lines."""
    if pair is None:
        return ""
    a, b = pair
    shared = [name for name in inner[a] if name in inner[b]] or list(inner[a])
    words = ", ".join(shared[:3]) + (", ..." if len(shared) > 3 else "")
    return (
        f"{root}: {a} and {b} hold the folders {words}: are they splits of these classes, or classes themselves?\n"
        f"As splits: call them train, validation and test. As classes: a line for each name in {root / CLASSES}"
    )
