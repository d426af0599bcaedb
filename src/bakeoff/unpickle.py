"""Reads what a pickle says without executing it: an interpreter of a few opcodes and a short list of names.

`pickle` calls whatever a file names. Here a name is looked up in the list of a dialect, which stands for plain values
of ours; an opcode or name that is not listed stops the reading. Nothing is imported, called or built that the list
doesn't have.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from bakeoff.errors import CorruptError

MOST_OPCODES = 5_000_000  # about 100,000 tensors


class Refused(Exception):  # noqa: N818 - it becomes a CorruptError, which names the file
    """What the pickle does that it may not, as the end of a sentence: "its pickle ..."."""


@dataclass(frozen=True)
class Callee:
    """A name that REDUCE may apply."""

    apply: Callable[..., Any]


@dataclass(frozen=True)
class Dialect:
    """What one kind of file may say beyond plain dicts, lists, tuples, numbers and text.

    Attributes:
        content: what such a file holds, in messages.
        names: what a name stands for: a `Callee`, or a plain value.
        states: what BUILD does to a value of this very type, given the state.
        key: a key of a dict as it is kept; raises for what may not be one.
        opcodes: those that other kinds don't need.
        finish: from the value on the stack to the one that is returned.
        unknown: ends the message about a name that is not listed.
    """

    content: str
    names: Mapping[str, Any]
    states: Mapping[type, Callable[[Any, Any], None]]
    key: Callable[[Any], Any]
    opcodes: Mapping[str, Callable[[Machine, Any], None]]
    finish: Callable[[Any], Any] = lambda value: value
    unknown: str = ". It was not executed."


def read(stream: IO[bytes] | bytes, what: str, dialect: Dialect) -> Any:
    """The value of the next pickle in a stream; `what` names it in messages.

    Raises:
        CorruptError: an opcode or name that is not on the list, or a pickle that doesn't hold together.
    """
    machine = Machine(dialect)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MOST_OPCODES:
                raise CorruptError(f"{what}: a pickle of more than {MOST_OPCODES:,} opcodes; no {dialect.content}.")
            machine.step(opcode.name, argument)
        (value,) = machine.stack
        return dialect.finish(value)
    except CorruptError:
        raise
    except Refused as error:
        raise CorruptError(f"{what}: its pickle {error}") from None
    except Exception as error:  # whatever a damaged pickle makes of the stack
        raise CorruptError(
            f"{what}: its pickle is damaged ({type(error).__name__}: {error}). Get the file anew."
        ) from None


def shown(value: Any) -> str:
    """A value in a message; a container by its type, since a small file can hold one whose text fills the memory."""
    short = isinstance(value, str) or (type(value) is int and value.bit_length() <= 128)
    return repr(value)[:100] if short else type(value).__name__


class _Mark:
    """Where a tuple, list or dict began on the stack."""


class Machine:
    """The stack and the memo. Nothing that a file puts on the stack is ever called."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        action = _OPCODES.get(name) or self.dialect.opcodes.get(name)
        if action is None:
            raise Refused(f"uses {name}, which {self.dialect.content} don't need. It was not executed.")
        action(self, argument)

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def take(self, count: int) -> tuple[Any, ...]:
        if count > len(self.stack):
            raise IndexError("the stack is empty")
        items = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return items

    def since_mark(self) -> list[Any]:
        places = range(len(self.stack) - 1, -1, -1)  # from the top: a hundred thousand may lie below
        place = next(index for index in places if isinstance(self.stack[index], _Mark))
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def put(self, argument: Any) -> None:
        self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]

    def look_up(self, argument: Any) -> None:
        """GLOBAL has "module name" as its argument, STACK_GLOBAL has both on the stack."""
        words = self.take(2) if argument is None else tuple(argument.split(" ", 1))
        if not all(isinstance(word, str) for word in words):
            raise Refused("asks for a name that is no text. It was not executed.")
        name = ".".join(words)
        if name not in self.dialect.names:
            raise Refused(f"asks for {name[:100]}{self.dialect.unknown}")
        self.push(self.dialect.names[name])

    def reduce(self, _: Any) -> None:
        callee, arguments = self.take(2)
        if not isinstance(callee, Callee) or not isinstance(arguments, tuple):
            raise Refused(f"calls {type(callee).__name__}. It was not executed.")
        self.push(callee.apply(*arguments))

    def build(self, _: Any) -> None:
        target, state = self.take(2)
        if type(target) not in self.dialect.states:
            raise Refused(f"sets the state of a {type(target).__name__}.")
        self.dialect.states[type(target)](target, state)
        self.push(target)

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(pairs) % 2:
            raise Refused(f"sets items of a {type(target).__name__}.")
        for key, item in zip(pairs[::2], pairs[1::2], strict=True):
            target[self.dialect.key(key)] = item

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise Refused(f"appends to a {type(self.stack[-1]).__name__}.")
        self.stack[-1].extend(items)


_NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT", "FLOAT")
_TEXTS = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE")
_OPCODES: dict[str, Callable[[Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict.fromkeys((*_NUMBERS, *_TEXTS), Machine.push),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, place: machine.push(machine.memo[int(place)])),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), Machine.look_up),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "MARK": lambda machine, _: machine.push(_Mark()),
    "REDUCE": Machine.reduce,
    "BUILD": Machine.build,
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.push(machine.take(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.take(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.take(3)),
    "SETITEM": lambda machine, _: machine.set_items(list(machine.take(2))),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "APPEND": lambda machine, _: machine.append(list(machine.take(1))),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
}
