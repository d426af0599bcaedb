"""What a pickled batch of images may say: arrays of bytes as NumPy writes them, and plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import unpickle
from bakeoff.errors import CorruptError
from bakeoff.unpickle import Callee, Dialect, Machine

MOST_BYTES = 1 << 30


@dataclass
class _Array:
    """An array or type in the making: what it was called with, and its state."""

    arguments: tuple[Any, ...]
    state: Any = field(default=None, repr=False)


def plain(file: Path) -> dict[str, Any]:
    """The dict in a pickle, its keys and bytes-like names as text.

    Raises:
        CorruptError: damaged, or with anything but plain values and arrays of numbers.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise CorruptError(f"{file}: a pickle of more than {MOST_BYTES:,} bytes; this is no batch of images.")
        content = file.read_bytes()
    except OSError as error:
        raise CorruptError(f"{file}: can't be read ({(error.strerror or 'I/O error').lower()}).") from None
    value = unpickle.read(content, str(file), _ARRAYS)
    if not isinstance(value, dict):
        raise CorruptError(f"{file}: its pickle holds a {type(value).__name__}, not a dict.")
    return value


def _text(key: Any) -> str:
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    if not isinstance(key, str):
        raise TypeError("key")
    return key


def _finished(value: Any) -> Any:
    return _finish(value, {}, 0)


def _finish(value: Any, done: dict[int, Any], depth: int) -> Any:
    """The value as plain Python has it; what is held in many places is finished once, so that no file multiplies it."""
    if depth > 8:
        raise ValueError("depth")
    if id(value) not in done:
        done[id(value)] = _finish_one(value, done, depth + 1)
    return done[id(value)]


def _finish_one(value: Any, done: dict[int, Any], depth: int) -> Any:
    if isinstance(value, dict):
        return {key: _finish(item, done, depth) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finish(item, done, depth) for item in value]
    if isinstance(value, bytes) and len(value) < 1000:
        return value.decode("utf-8", "replace")
    return _array(value) if isinstance(value, _Array) else value


def _array(made: _Array) -> Any:
    """An array of bytes: (version, shape, type, Fortran order, content) is the state that NumPy gives it."""
    if made.state is None:
        content, kind, shape, order = made.arguments
        fortran = order == "F"
    else:
        _, shape, kind, fortran, content = made.state
    if not isinstance(kind, _Array) or _latin(kind.arguments[0]) not in ("u1", "|u1", "uint8"):
        raise ValueError("an array of another type than uint8")
    content = content.encode("latin-1") if isinstance(content, str) else content
    if not isinstance(content, bytes | bytearray):  # bytes() of a number would take that many
        raise ValueError("an array without content")
    array = np.frombuffer(bytes(content), np.uint8)
    return array.reshape(tuple(int(length) for length in shape), order="F" if fortran else "C")


def _latin(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _encode(content: str, encoding: str) -> bytes:
    if _latin(encoding) not in ("latin1", "latin-1"):
        raise ValueError("encoding")
    return content.encode("latin-1")


def _set_state(made: _Array, state: Any) -> None:
    made.state = state


def _old(machine: Machine, content: Any) -> None:
    """A string of Python 2: bytes."""
    machine.push(content.encode("latin-1") if isinstance(content, str) else content)


def _dict(machine: Machine, _: Any) -> None:
    pairs = machine.since_mark()
    machine.push({})
    machine.set_items(pairs)


_made = Callee(lambda *arguments: _Array(arguments))
_ARRAYS = Dialect(
    content="arrays",
    names={
        "_codecs.encode": Callee(_encode),
        "numpy.dtype": _made,
        "numpy.ndarray": Callee(lambda *_: None),
        **{f"numpy.{core}.multiarray._reconstruct": _made for core in ("core", "_core")},
        **{f"numpy.{core}.numeric._frombuffer": _made for core in ("core", "_core")},
    },
    states={_Array: _set_state},
    key=_text,
    opcodes={
        **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), Machine.push),
        **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _old),
        "LIST": lambda machine, _: machine.push(machine.since_mark()),
        "DICT": _dict,
    },
    finish=_finished,
)
