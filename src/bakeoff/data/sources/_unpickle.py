"""Reads a pickle of plain values and arrays without executing it: an interpreter of a few opcodes.

`pickle` calls whatever a file names. Here six names that NumPy writes stand for values of this module, and any other
stops the reading.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.errors import CorruptError

MOST_BYTES = 1 << 30
MOST_OPCODES = 5_000_000


@dataclass
class _Array:
    """An array or type in the making: what it was called with, and its state."""

    arguments: tuple[Any, ...]
    state: Any = None
    value: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class _Name:
    """A name that may be applied."""

    apply: Callable[..., Any]


def plain(file: Path) -> dict[str, Any]:
    """The dict in a pickle, its keys and bytes-like names as text.

    Raises:
        CorruptError: damaged, or with anything but plain values and arrays of numbers.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise CorruptError(f"{file}: a pickle of more than {MOST_BYTES:,} bytes; this is no batch of pictures.")
        machine = _Machine(file)
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file.read_bytes())):
            if count > MOST_OPCODES:
                raise CorruptError(f"{file}: a pickle of more than {MOST_OPCODES:,} opcodes.")
            machine.step(opcode.name, argument)
        (value,) = machine.stack
        value = _finished(value)
    except CorruptError:
        raise
    except OSError as error:
        raise CorruptError(f"{file}: can't be read ({(error.strerror or 'I/O error').lower()}).") from None
    except Exception as error:  # whatever a damaged pickle makes of the stack
        raise CorruptError(f"{file}: its pickle is damaged ({type(error).__name__}). Get it anew.") from None
    if not isinstance(value, dict):
        raise CorruptError(f"{file}: its pickle holds a {type(value).__name__}, not a dict.")
    return value


class _Mark:
    """Where a tuple, list or dict began."""


class _Machine:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _LITERALS:
            self.stack.append(argument.encode("latin-1") if name in _OLD and isinstance(argument, str) else argument)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[int(argument)])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self.name(argument)
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise CorruptError(f"{self.file}: its pickle uses {name}, which arrays don't need. It was not executed.")

    def name(self, argument: str | None) -> None:
        words = self.take(2) if argument is None else argument.split(" ", 1)
        full = ".".join(map(str, words))
        if full not in _NAMES:
            raise CorruptError(f"{self.file}: its pickle asks for {full[:100]}. It was not executed.")
        self.stack.append(_NAMES[full])

    def take(self, count: int) -> tuple[Any, ...]:
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise IndexError("stack")
        del self.stack[-count:]
        return items

    def since_mark(self) -> list[Any]:
        place = max(index for index, item in enumerate(self.stack) if isinstance(item, _Mark))
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def reduce(self) -> None:
        callee, arguments = self.take(2)
        if not isinstance(callee, _Name) or not isinstance(arguments, tuple):
            raise CorruptError(f"{self.file}: its pickle calls a {type(callee).__name__}. It was not executed.")
        self.stack.append(callee.apply(*arguments))

    def build(self) -> None:
        target, state = self.take(2)
        if not isinstance(target, _Array):
            raise CorruptError(f"{self.file}: its pickle sets the state of a {type(target).__name__}.")
        target.state = state
        self.stack.append(target)

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(pairs) % 2:
            raise ValueError("items")
        for key, item in zip(pairs[::2], pairs[1::2], strict=True):
            target[_text(key)] = item

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("append")
        self.stack[-1].extend(items)


def _text(key: Any) -> str:
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    if not isinstance(key, str):
        raise TypeError("key")
    return key


def _finished(value: Any, depth: int = 0) -> Any:
    if depth > 8:
        raise ValueError("depth")
    if isinstance(value, dict):
        return {key: _finished(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finished(item, depth + 1) for item in value]
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
    array = np.frombuffer(bytes(content), np.uint8)
    return array.reshape(tuple(int(length) for length in shape), order="F" if fortran else "C")


def _latin(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _encode(content: str, encoding: str) -> bytes:
    if _latin(encoding) not in ("latin1", "latin-1"):
        raise ValueError("encoding")
    return content.encode("latin-1")


_made = _Name(lambda *arguments: _Array(arguments))
_NAMES: dict[str, Any] = {
    "_codecs.encode": _Name(_encode),
    "numpy.dtype": _made,
    "numpy.ndarray": _Name(lambda *_: None),
    **{f"numpy.{core}.multiarray._reconstruct": _made for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _made for core in ("core", "_core")},
}
_OLD = ("STRING", "BINSTRING", "SHORT_BINSTRING")  # of Python 2: bytes
_LITERALS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
    ]
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": _Mark,
}
_ACTIONS: dict[str, Callable[[_Machine], None]] = {
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine: machine.stack.append(machine.take(1)),
    "TUPLE2": lambda machine: machine.stack.append(machine.take(2)),
    "TUPLE3": lambda machine: machine.stack.append(machine.take(3)),
    "LIST": lambda machine: machine.stack.append(machine.since_mark()),
    "DICT": lambda machine: _dict(machine),
    "SETITEM": lambda machine: machine.set_items(list(machine.take(2))),
    "SETITEMS": lambda machine: machine.set_items(machine.since_mark()),
    "APPEND": lambda machine: machine.append(list(machine.take(1))),
    "APPENDS": lambda machine: machine.append(machine.since_mark()),
}


def _dict(machine: _Machine) -> None:
    pairs = machine.since_mark()
    machine.stack.append({})
    machine.set_items(pairs)
