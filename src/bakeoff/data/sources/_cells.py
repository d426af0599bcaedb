"""A table's text and its cells, whatever the table: the same value is the same text, what says nothing is nothing.

1, 1.0, "1", "1.0"                          1
true, True, "TRUE"                          true
None, NaN, "nan", "NULL", "<NA>", Infinity  nothing
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from bakeoff.errors import DataError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
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


def decoded(content: bytes, place: Path, errors: str = "strict") -> str:
    """The text of a list: UTF-8 with or without a mark, or UTF-16 with one.

    Args:
        errors: `surrogateescape` where names of files may be in another encoding.

    Raises:
        DataError: it is in another encoding; the first line that isn't UTF-8 is named.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding, errors)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{place}: line {line} isn't {encoding.removesuffix('-sig').upper()} (byte {content[error.start]:#04x}).\n"
            "Save it as UTF-8, as with: iconv -f ENCODING -t UTF-8 OLD > NEW"
        ) from None
    if "\0" in text:
        raise DataError(f"{place}: is no text, or UTF-16 without its mark.\nSave it as UTF-8.")
    return text
