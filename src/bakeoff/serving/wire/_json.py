"""JSON as TensorFlow Serving reads and writes it.

It reads with RapidJSON: NaN and Infinity are numbers, what follows the value isn't looked at, of a key that comes twice
the first counts, and errors have an offset in bytes. Python's parser does nearly that; where it refuses, a parser of
our own looks for what RapidJSON would say.
"""

from __future__ import annotations

import binascii
import gc
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from bakeoff.schemas import Array
from bakeoff.serving.refused import invalid

SHOWN, LONGEST = 256, 1024  # characters of a value in a message; of one string in it
NAMES = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
DEEPEST = 200
LOOKED_AT = 1 << 20  # bytes of a broken body that are read once more for RapidJSON's words: a second or so
MOST = 8 << 20  # brackets and commas: 40 images of 224 x 224 x 3. While they are read, no other thread has its turn
_SPACE = re.compile(rb"[ \t\n\r]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_WORDS = {
    b"n": (b"null", None),
    b"t": (b"true", True),
    b"f": (b"false", False),
    b"N": (b"NaN", float("nan")),
    b"I": (b"Infinity", float("inf")),
}
_ESCAPES = {34: '"', 92: "\\", 47: "/", 98: "\b", 102: "\f", 110: "\n", 114: "\r", 116: "\t"}
_BASE64 = re.compile(r"[A-Za-z0-9+/]*")


def read(body: bytes) -> dict[str, Any]:
    """The object of a request.

    Raises:
        Refused: it isn't JSON, or no object, or one of too many values.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    if len(body) > MOST and sum(map(body.count, (b"[", b"{", b","))) > MOST:
        raise invalid(f"JSON of more than {MOST:,} values and lists; send images as base64, or tensors as binary data.")
    text = body.decode("utf-8", "surrogateescape").lstrip(" \t\n\r")
    try:
        with _uncollected():
            found, _ = _DECODER.raw_decode(text)
    except RecursionError:
        raise invalid("JSON Parse error: nested too deep") from None
    except ValueError as error:
        if len(body) > LOOKED_AT:
            raise invalid(f"JSON Parse error: {_python_says(error, text)}") from None
        found = _Reader(body).document()
    if not isinstance(found, dict):
        raise invalid(f"JSON Value: {shown(found)} Is not object")
    return found


@contextmanager
def _uncollected() -> Iterator[None]:
    """Python's collector would go through millions of new lists over and over, for a circle that JSON can't have."""
    global _reading
    with _counting:
        _reading += 1
        gc.disable()
    try:
        yield
    finally:
        with _counting:
            _reading -= 1
            if not _reading:
                gc.enable()


_counting, _reading = threading.Lock(), 0


def _python_says(error: ValueError, text: str) -> str:
    """Of a body that is too large to be read slowly."""
    if not text:
        return "The document is empty."
    if not isinstance(error, json.JSONDecodeError):  # thousands of digits
        return "Number too big to be stored in double."
    return f"{error.msg}, {len(text) - error.pos} characters before the end"


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else dict(reversed(pairs))


_DECODER = json.JSONDecoder(object_pairs_hook=_first)


class _Reader:
    """RapidJSON's iterative parser, told by bytes; the slow way, for what is broken."""

    def __init__(self, text: bytes) -> None:
        self.text, self.at = text, 0

    def document(self) -> Any:
        """The value.

        Raises:
            Refused: as RapidJSON would say it.
        """
        if not self._next():
            self._fail("The document is empty.")
        return self._value(0)

    def _fail(self, what: str) -> NoReturn:
        raise invalid(f"JSON Parse error: {what} at offset: {self.at}")

    def _next(self) -> bytes:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # it always matches
        return self.text[self.at : self.at + 1]

    def _value(self, level: int) -> Any:
        first = self._next()
        if level > DEEPEST:
            self._fail(f"More than {DEEPEST} levels.")
        if first == b"{":
            return self._object(level)
        if first == b"[":
            return self._array(level)
        if first == b'"':
            return self._string()
        if first in _WORDS:
            return self._word(*_WORDS[first])
        return self._number()

    def _object(self, level: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        if self._next() == b"}":
            self.at += 1
            return found
        while True:
            if self._next() != b'"':
                self._fail("Missing a name for object member.")
            name = self._string()
            if self._next() != b":":
                self._fail("Missing a colon after a name of object member.")
            self.at += 1
            found.setdefault(name, self._value(level + 1))
            if (mark := self._next()) not in (b",", b"}"):
                self._fail("Missing a comma or } after an object member.")
            self.at += 1
            if mark == b"}":
                return found

    def _array(self, level: int) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        if self._next() == b"]":
            self.at += 1
            return found
        while True:
            found.append(self._value(level + 1))
            if (mark := self._next()) not in (b",", b"]"):
                self._fail("Missing a comma or ] after an array element.")
            self.at += 1
            if mark == b"]":
                return found

    def _word(self, word: bytes, value: Any) -> Any:
        begun = self.at
        for letter in word:
            if self.text[self.at : self.at + 1] != bytes([letter]):
                if self.text[begun : self.at] == b"Inf":
                    return value
                self._fail("Invalid value.")
            self.at += 1
        return value

    def _number(self) -> float | int:
        if self.text.startswith(b"-I", self.at):
            self.at += 1
            return -float(self._word(*_WORDS[b"I"]))
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            self.at += self.text[self.at : self.at + 1] == b"-"
            self._fail("Invalid value.")
        begun, self.at, whole = self.at, match.end(), True
        for mark, needed in ((b".", "Miss fraction part in number."), (b"eE", "Miss exponent in number.")):
            if self.text[self.at : self.at + 1] and self.text[self.at] in mark:
                self.at, whole = self.at + 1, False
                self.at += mark == b"eE" and self.text[self.at : self.at + 1] in (b"+", b"-")
                digits = re.compile(rb"[0-9]+").match(self.text, self.at)
                if digits is None:
                    self._fail(needed)
                self.at = digits.end()
        text = self.text[begun : self.at]
        value = int(text) if whole and len(text) < 20 else float(text)
        if value in (float("inf"), -float("inf")):
            self.at = begun
            self._fail("Number too big to be stored in double.")
        return value

    def _string(self) -> str:
        self.at, parts = self.at + 1, list[str]()
        while True:
            end = re.compile(rb'["\\\x00-\x1f]').search(self.text, self.at)
            mark = self.text[end.start()] if end else 0
            if end is None or mark < 32:
                self.at = end.start() if end else len(self.text)
                self._fail("Invalid encoding in string." if mark else "Missing a closing quotation mark in string.")
            parts.append(self.text[self.at : end.start()].decode("utf-8", "surrogateescape"))
            self.at = end.end()
            if mark == 34:
                return "".join(parts)
            parts.append(self._escape())

    def _escape(self) -> str:
        at, mark = self.at - 1, self.text[self.at] if self.at < len(self.text) else 0
        self.at += 1
        if mark in _ESCAPES:
            return _ESCAPES[mark]
        if mark != 117:
            self.at = at
            self._fail("Invalid escape character in string.")
        code = self._hex(at)
        if 0xD800 <= code <= 0xDFFF:
            low = 0
            if self.text.startswith(b"\\u", self.at):
                self.at += 2
                low = self._hex(at)
            if code > 0xDBFF or not 0xDC00 <= low <= 0xDFFF:
                self.at = at
                self._fail("The surrogate pair in string is invalid.")
            code = 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00
        return chr(code)

    def _hex(self, at: int) -> int:
        digits = self.text[self.at : self.at + 4]
        if re.fullmatch(rb"[0-9a-fA-F]{4}", digits) is None:
            self.at = at
            self._fail("Incorrect hex digit after \\u escape in string.")
        self.at += 4
        return int(digits, 16)


def shown(value: Any) -> str:
    """A value in a message: no token is begun after 256 characters."""
    parts, size = [], 0
    for token in json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value):
        parts.append(token[:LONGEST])
        size += len(parts[-1])
        if size >= SHOWN:
            break
    return "".join(parts)


def type_of(value: Any) -> str:
    """RapidJSON's name of a value's type."""
    return str(value) if isinstance(value, bool) else NAMES[type(value)]


def is_base64(value: Any) -> bool:
    """Whether it is `{"b64": "..."}`, and nothing more."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def unpacked(text: str) -> bytes:
    """Base64 as Abseil reads it: blanks are skipped, `=` (or `.`) may fill up the end or be left out.

    Raises:
        Refused: it is none, as with the letters of URLs.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        pass
    text = "".join(text.split())
    letters = text.rstrip("=.")
    missing, filled = -len(letters) % 4, len(text) - len(letters)
    if missing == 3 or filled not in (0, missing) or not _BASE64.fullmatch(letters):
        raise invalid("Unable to base64 decode")
    return binascii.a2b_base64(letters + "=" * missing)


def error(message: str) -> bytes:
    """The body of an answer that is none."""
    return written({"error": message})


def written(value: Any) -> bytes:
    """A value as RapidJSON's PrettyWriter has it."""
    return encoded(json.dumps(value, indent=4, ensure_ascii=False))


def encoded(text: str) -> bytes:
    """UTF-8; bytes of a string that were none are what they were, and what can't be at all is `?`."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def numbers(values: Array) -> list[str]:
    """Floats as TensorFlow Serving writes them: six digits, or as many as tell the number from all others.

    Args:
        values: (N,), float32 or float64.
    """
    import numpy as np

    digits = 9 if values.dtype == np.float32 else 17
    found = []
    texts = [f"{value:.6g}" for value in values.tolist()]
    back = np.array(list(map(float, texts)), values.dtype)
    for text, value, same in zip(texts, values.tolist(), (back == values).tolist(), strict=True):
        if value - value != 0:
            found.append("NaN" if value != value else "Infinity" if value > 0 else "-Infinity")
            continue
        text = text if same else f"{value:.{digits}g}"
        found.append(text if "." in text or "e" in text else f"{text}.0")
    return found
