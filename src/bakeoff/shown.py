"""A name as it is shown: names of files, classes and runs are data in a terminal, in HTML, in CSV and in JSON.

What would move a terminal's cursor, colour it or turn the direction of a text is written as an escape; so are bytes of
file names that are no text. A spreadsheet takes no cell for a formula.
"""

from __future__ import annotations

import json
import os
import shlex
import unicodedata
from typing import Any

DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet computes, or skips to find such a thing


def visible(text: str, *, lines: bool = True) -> str:
    """A text for a terminal.

    Args:
        lines: whether lines and tabs stay; in a name they are no lines.
    """
    if text.isascii() and text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(each if each in kept or not _odd(each) else ascii(each)[1:-1] for each in text)


def _odd(each: str) -> bool:
    return unicodedata.category(each) in ("Cc", "Cs") or each in DIRECTIONS


def shell(word: object) -> str:
    """A word as a shell takes it; what can't be seen, and bytes that are no text, as bash and zsh escape them."""
    text = str(word)
    if visible(text, lines=False) == text:
        return shlex.quote(text)
    shown = (each if not _odd(each) else "".join(f"\\x{byte:02x}" for byte in os.fsencode(each)) for each in text)
    return "$'" + "".join(f"\\{each}" if each in "\\'" else each for each in shown) + "'"


def html(text: object) -> Any:
    """A text for a page: visible, and no markup; what is markup already stays as it is."""
    from markupsafe import Markup, escape

    return text if isinstance(text, Markup) else escape(visible(str(text)))


def cell(value: Any, *, seen: bool = False) -> Any:
    """A cell of CSV: text that begins like a formula has an apostrophe before it.

    Args:
        seen: by a person, in a terminal; a program has the name as it is.
    """
    if not isinstance(value, str):
        return value
    text = visible(value) if seen else value
    return f"'{text}" if value.startswith(FORMULA) else text


def to_json(value: Any, encoding: str | None = None, *, indent: int | None = None, nan: bool = False) -> str:
    """JSON: the same value for a program, and harmless where a person looks at it.

    Args:
        encoding: of where it goes; what that lacks is escaped, too.
        indent: None: all on one line.
        nan: whether numbers may be none.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=nan, indent=indent)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=True, allow_nan=nan, indent=indent)
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{ord(each):04x}" if each != "\n" and _odd(each) else each for each in text)
