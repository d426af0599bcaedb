"""JSON as TensorFlow Serving reads and writes it.

It reads with RapidJSON: NaN and Infinity are numbers, what follows the value isn't looked at, of a key that comes twice
the first counts, and errors have an offset in bytes. Python's parser does nearly that; where it refuses, what it says
is put into RapidJSON's words.
"""

from __future__ import annotations

import binascii
import gc
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bakeoff.schemas import Array
from bakeoff.serving.refused import invalid

SHOWN, LONGEST = 256, 1024  # characters of a value in a message; of one string in it
NAMES = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
MOST = 8 << 20  # brackets and commas: 40 images of 224 x 224 x 3. While they are read, no other thread has its turn
_WORDS = ("null", "true", "false", "NaN", "Infinity", "-Infinity")
_SAYS = {  # how a message of Python's begins, and what RapidJSON says there; of a comma it tells what holds the value
    "Expecting property name": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting value": "Invalid value.",
    "Unterminated string": "Missing a closing quotation mark in string.",
    "Invalid control character": "Invalid encoding in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid \\escape": "Invalid escape character in string.",
}
_COMMA = {
    "{": "Missing a comma or } after an object member.",
    "[": "Missing a comma or ] after an array element.",
}
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_INF = re.compile(r"-?Inf(?!i)")
_NUMBER = re.compile(r"(-?\d+)(\.\d+)?\Z")
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")  # the first half of one
_WHOLE = re.compile(r"\\u[0-9a-fA-F]{4}")
_INFS = 100  # short words for infinity in a body, each of which has it read again
LOOKED_AT = 1 << 20  # bytes of a broken body that are looked through for RapidJSON's words
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
    for inserted in range(_INFS):
        try:
            with _uncollected():
                found, _ = _DECODER.raw_decode(text)
            break
        except RecursionError:
            raise invalid("JSON Parse error: nested too deep") from None
        except json.JSONDecodeError as error:
            if len(body) > LOOKED_AT:
                where = f"{len(text) - error.pos} characters before the end"
                raise invalid(f"JSON Parse error: {error.msg}, {where}") from None
            short = _INF.match(text, error.pos) if error.msg.startswith("Expecting value") else None
            if short is None or inserted == _INFS - 1:
                what, at = _rapidjson_says(error.msg, text, error.pos)
                left = len(text[at:].encode("utf-8", "surrogateescape"))
                raise invalid(f"JSON Parse error: {what} at offset: {len(body) - left}") from None
            text = f"{text[: short.end()]}inity{text[short.end() :]}"
        except ValueError:  # thousands of digits
            raise invalid("JSON Parse error: Number too big to be stored in double.") from None
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


def _rapidjson_says(message: str, text: str, at: int) -> tuple[str, int]:
    """What RapidJSON says where Python stops, and where in the text it stops itself."""
    if not text:
        return "The document is empty.", 0
    if message.startswith("Illegal trailing comma"):  # of Python 3.13, which stands on the comma
        at += 1 + len(text[at + 1 :]) - len(text[at + 1 :].lstrip(" \t\n\r"))
        message = "Expecting value" if text[at : at + 1] == "]" else "Expecting property name"
    if message.startswith("Expecting ',' delimiter"):
        number, mark = _NUMBER.search(text, max(0, at - 400), at), text[at : at + 1]
        if mark == "." and number and not number[2] and text[number.start() - 1] not in ".eE+":
            return "Miss fraction part in number.", at + 1
        if mark in ("e", "E") and number and text[number.start() - 1] not in ".eE+":
            return "Miss exponent in number.", at + 1 + (text[at + 1 : at + 2] in ("+", "-"))
        return _COMMA[_open(text[:at])], at
    said = next((said for begin, said in _SAYS.items() if message.startswith(begin)), message)
    if message.startswith("Invalid \\"):
        at = text.rindex("\\", 0, at + 1)
        if _WHOLE.fullmatch(text, at):  # Python wants a character behind it
            return _SAYS["Unterminated string"], len(text)
        at -= 6 if message.startswith("Invalid \\u") and _PAIR.search(text, max(0, at - 6), at) else 0
    elif message.startswith("Unterminated"):
        cut = (len(text) - len(text.rstrip("\\"))) % 2  # within an escape
        return (_SAYS["Invalid \\escape"], len(text) - 1) if cut else (said, len(text))
    elif message.startswith("Expecting value"):
        at += max(size for word in _WORDS for size in range(len(word) + 1) if text.startswith(word[:size], at))
    return said, at


def _open(text: str) -> str:
    """The bracket that is not yet closed at the end of a text."""
    brackets = list[str]()
    for mark in re.findall(r"[][{}]", _STRING.sub("", text)):
        if mark in "{[":
            brackets.append(mark)
        else:
            brackets.pop()
    return brackets[-1]


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else dict(reversed(pairs))


_DECODER = json.JSONDecoder(object_pairs_hook=_first)


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
