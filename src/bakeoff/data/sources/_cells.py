"""A cell of a table as text, whatever the table: the same value is the same text, and what says nothing is nothing.

1, 1.0, "1", "1.0"                          1
true, True, "TRUE"                          true
None, NaN, "nan", "NULL", "<NA>", Infinity  nothing
"""

from __future__ import annotations

import re
from pathlib import Path

from bakeoff.errors import DataError

_WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")
_NOTHING = frozenset(["", "nan", "-nan", "null", "<na>", "nat", "#n/a", "inf", "+inf", "-inf", "infinity", "-infinity"])
_WORDS = {"true": "true", "false": "false"}


def text(value: object) -> str:
    """A cell as text; "" for one that says nothing. Names of files are kept as they are: see `words`."""
    if value is None:
        return ""
    found = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    return words(found) if isinstance(value, bool | int | float) else found


def words(value: object) -> str:
    """A name in a cell: without blanks around it, numbers and truth in one writing; "" for what says nothing."""
    found = (text(value) if isinstance(value, bytes) else "" if value is None else str(value)).strip()
    plain = found.casefold()
    if plain in _NOTHING:
        return ""
    match = _WHOLE.fullmatch(found)
    return match[1] if match else _WORDS.get(plain, found)


def class_name(place: Path, row: int, value: object) -> str:
    """The class that a cell names.

    Raises:
        DataError: it names none; says which row.
    """
    found = "" if isinstance(value, dict) else words(value)
    if not found:
        said = "has no label" if value in (None, "") else f"has no class: its label is {_shown(value)}"
        raise DataError(
            f"{place}: row {row} {said}.\nMend or remove it. Where images have several labels or none, say what "
            "separates them (--label-separator)."
        )
    if any("\ud800" <= letter <= "\udfff" for letter in found):
        raise DataError(f"{place}: row {row} has no class: its label {found!a} isn't UTF-8.\nSave it as UTF-8.")
    return found


def _shown(value: object) -> str:
    return f"a {type(value).__name__}" if isinstance(value, dict) else repr(value)[:40]
