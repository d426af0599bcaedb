"""Class names, whatever brings them: their order, the file that states it, and names that are nearly the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path

from bakeoff.data.sources._cells import decoded
from bakeoff.errors import DataError

CLASSES = "classes.txt"
_NUMBERED = re.compile(r"(\d+)\s*[\s:,;.)=-]\s*(\S.*)")
_WHOLE = re.compile(r"-?[0-9]+")
_FORMS: Mapping[str, Callable[[str], str]] = {
    "Unicode form": lambda name: unicodedata.normalize("NFKC", name),
    "case": str.casefold,
    "blanks": lambda name: " ".join(name.split()),
}


def listed(folder: Path) -> tuple[str, ...]:
    """The names in `classes.txt`, a line each, without a mark, blanks and numbers of lines; none without the file."""
    place = folder / CLASSES
    try:
        lines = decoded(place.read_bytes(), place).splitlines() if place.is_file() else []
    except OSError as error:
        raise DataError(f"{place}: can't be read ({(error.strerror or 'I/O error').lower()}).") from None
    names = [line.strip() for line in lines if line.strip()]
    numbered = [_NUMBERED.fullmatch(name) for name in names]
    if names and all(numbered):
        numbers = [int(match[1]) for match in numbered if match]
        if numbers == list(range(numbers[0], numbers[0] + len(names))):
            return tuple(match[2] for match in numbered if match)
    return tuple(names)


def ordered(folder: Path, labels: Set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes in their order, and what isn't used of `classes.txt`.

    As the file says, where it has each label once; else whole numbers as numbers, all others by code point.
    """
    names = listed(folder)
    lacking = sorted(labels - set(names))
    twice = next((name for name in names if names.count(name) > 1), None)
    if names and not lacking and twice is None:
        return names, ()
    wrong = f"lacks {few([repr(name) for name in lacking])}" if lacking else f"has {twice!r} twice"
    unused = (f"not used: {folder / CLASSES}, which {wrong}; classes are sorted",) if names else ()
    return in_order(labels), unused


def in_order(labels: Set[str]) -> tuple[str, ...]:
    """Whole numbers as numbers, all others by code point."""
    numbers = all(_WHOLE.fullmatch(label) for label in labels)
    return tuple(sorted(sorted(labels), key=int if numbers else str))


def plain(name: str, besides: str = "") -> str:
    """A name without Unicode form, case and blanks, `besides` one of these."""
    for kind, form in _FORMS.items():
        name = name if kind == besides else form(name)
    return name


def clashes(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of class names that differ only by case, blanks or Unicode form."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(plain(name), name), name) for name in names]
    return [(same, name) for same, name in pairs if same != name]


def difference(a: str, b: str) -> str:
    """By what alone two names differ, in words; "" where they are different names."""
    kinds = [kind for kind in _FORMS if plain(a, kind) != plain(b, kind)] if plain(a) == plain(b) else []
    return " and ".join(kinds) + (f" ({a!a}, {b!a})" if "Unicode form" in kinds else "")


def few(names: Sequence[str]) -> str:
    """The first three, and how many more."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def check(place: Path, classes: tuple[str, ...]) -> None:
    """That there are two or more, and none twice in another writing.

    Raises:
        DataError: it isn't so.
    """
    if not classes:
        raise DataError(f"{place}: no image has a label.\nName at least two classes.")
    if len(classes) < 2:
        raise DataError(f"{place}: one class only, {classes[0]!r}; a classifier needs two or more.")
    for same, name in clashes(classes):
        raise DataError(
            f"{place}: classes {same!r} and {name!r} differ only by {difference(same, name)}.\nRename or merge them."
        )
