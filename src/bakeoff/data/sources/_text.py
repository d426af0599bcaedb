"""The text of a list, whatever program wrote it: UTF-8 with or without a mark, or UTF-16 with one."""

from __future__ import annotations

import codecs
from pathlib import Path

from bakeoff.errors import DataError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decoded(content: bytes, place: Path, errors: str = "strict") -> str:
    """The text.

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
