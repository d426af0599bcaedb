"""Reads what a pickle of tensors says without executing it: an interpreter of a few opcodes and a short list of names.

`pickle` calls whatever a file names. Here a name is looked up in a list and stands for a plain value of this module; an
opcode or name that is not listed stops the reading. Nothing is imported, called or built that the list doesn't have.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from bakeoff.errors import CorruptError

MOST_OPCODES = 5_000_000  # about 100,000 tensors


@dataclass(frozen=True)
class StorageType:
    """`torch.FloatStorage` and its like: only its name."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A block of numbers outside the pickle: `count` of that type, under a key."""

    type: StorageType
    key: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A strided window on a storage; offset and strides are counted in elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Callee:
    """A name that REDUCE may apply."""

    name: str
    apply: Callable[..., Any]


def parse(stream: IO[bytes] | bytes, what: str) -> Any:
    """The value of the next pickle in a stream: dicts, lists, tuples, numbers, strings and `Tensor`s.

    Raises:
        CorruptError: an opcode or name that is not on the list, or a pickle that doesn't hold together.
    """
    machine = _Machine(what)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MOST_OPCODES:
                raise CorruptError(
                    f"{what}: a pickle of more than {MOST_OPCODES:,} opcodes; this is no set of weights."
                )
            machine.step(opcode.name, argument)
        return machine.value()
    except CorruptError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CorruptError(
            f"{what}: its pickle is damaged ({type(error).__name__}: {error}). Get the file anew."
        ) from None


class _Mark:
    """Where a tuple, list or dict began on the stack."""


class _Machine:
    """The stack and the memo. The stack's plain values are never called, dictionary keys are strings or integers."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self.stack.append(_VALUES[name](argument))
        elif name in _PUT:
            self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]
        elif name in _GET:
            self.stack.append(self.memo[int(argument)])
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise CorruptError(f"{self.what}: its pickle uses {name}, which weights don't need. It was not executed.")

    def value(self) -> Any:
        (value,) = self.stack
        return value

    def since_mark(self) -> list[Any]:
        place = max(index for index, item in enumerate(self.stack) if isinstance(item, _Mark))
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def take(self, count: int) -> tuple[Any, ...]:
        if count > len(self.stack):
            raise IndexError("the stack is empty")
        items = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return items

    # what an opcode does beyond pushing a value

    def global_(self, argument: Any) -> None:
        """GLOBAL has "module name" as its argument, STACK_GLOBAL has both on the stack."""
        name = argument.replace(" ", ".", 1) if argument is not None else ".".join(map(str, self.take(2)))
        if name not in NAMES:
            raise CorruptError(
                f"{self.what}: its pickle asks for {name}, which is not a tensor of weights. It was not executed.\n"
                "Use a file of plain tensors (a state dict), or safetensors."
            )
        self.stack.append(NAMES[name])

    def reduce(self, _: Any) -> None:
        callee, arguments = self.take(2)
        if not isinstance(callee, Callee) or not isinstance(arguments, tuple):
            raise CorruptError(f"{self.what}: its pickle calls {type(callee).__name__}. It was not executed.")
        self.stack.append(callee.apply(*arguments))

    def persistent(self, _: Any) -> None:
        """("storage", type, key, location, count[, view]): torch's reference to numbers outside the pickle."""
        (pid,) = self.take(1)
        word, kind, key, _location, count, *view = pid
        if word != "storage" or not isinstance(kind, StorageType) or any(part is not None for part in view):
            raise CorruptError(f"{self.what}: its pickle has a reference that is not a plain storage.")
        if not isinstance(key, str) or type(count) is not int or count < 0:
            raise CorruptError(f"{self.what}: its pickle has a storage with key {key!r} and count {count!r}.")
        self.stack.append(Storage(kind, key, count))

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(pairs) % 2:
            raise CorruptError(f"{self.what}: its pickle sets items of a {type(target).__name__}.")
        for key, item in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) not in (str, int):  # a nested tuple as key would take exponential time to hash
                raise CorruptError(f"{self.what}: its pickle has a {type(key).__name__} as a key.")
            target[key] = item

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise CorruptError(f"{self.what}: its pickle appends to a {type(self.stack[-1]).__name__}.")
        self.stack[-1].extend(items)

    def build(self, _: Any) -> None:
        """The attributes of an OrderedDict (torch keeps `_metadata` there); they are dropped."""
        target, _state = self.take(2)
        if type(target) is not dict:
            raise CorruptError(f"{self.what}: its pickle sets the state of a {type(target).__name__}.")
        self.stack.append(target)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, Storage) or any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError("a tensor whose offset, size or strides are not numbers from 0 up")
    if len(size) != len(stride) or len(size) > 8:
        raise ValueError(f"a tensor of rank {len(size)} with {len(stride)} strides")
    return Tensor(storage, offset, tuple(size), tuple(stride))


def _parameter(tensor: Any, *_: Any) -> Tensor:
    """torch._utils._rebuild_parameter(tensor, requires_grad, hooks)."""
    if not isinstance(tensor, Tensor):
        raise ValueError("a parameter without a tensor")
    return tensor


def _ordered_dict() -> dict[Any, Any]:
    return {}


_STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
NAMES: dict[str, Any] = {
    "collections.OrderedDict": Callee("OrderedDict", _ordered_dict),
    "torch._utils._rebuild_tensor_v2": Callee("_rebuild_tensor_v2", _tensor),
    "torch._utils._rebuild_parameter": Callee("_rebuild_parameter", _parameter),
    **{f"torch.{name}Storage": StorageType(name) for name in _STORAGES},
}

_NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT", "FLOAT")
_STRINGS = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "SHORT_BINSTRING", "BINSTRING")
_VALUES: dict[str, Callable[[Any], Any]] = {
    **{name: lambda argument: argument for name in (*_NUMBERS, *_STRINGS)},
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: _Mark(),
}
_PUT = ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE")
_GET = ("BINGET", "LONG_BINGET", "GET")
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.global_,
    "REDUCE": _Machine.reduce,
    "BINPERSID": _Machine.persistent,
    "BUILD": _Machine.build,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(machine.take(1)),
    "TUPLE2": lambda machine, _: machine.stack.append(machine.take(2)),
    "TUPLE3": lambda machine, _: machine.stack.append(machine.take(3)),
    "SETITEM": lambda machine, _: machine.set_items(list(machine.take(2))),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "APPEND": lambda machine, _: machine.append(list(machine.take(1))),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
}
