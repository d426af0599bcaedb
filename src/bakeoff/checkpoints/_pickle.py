"""What the pickles of torch may say: tensors as windows on blocks of numbers outside the pickle, and plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

from bakeoff import unpickle
from bakeoff.unpickle import Callee, Dialect, Machine, Refused, shown


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


def parse(stream: IO[bytes] | bytes, what: str) -> Any:
    """The value of the next pickle in a stream: dicts, lists, tuples, numbers, strings and `Tensor`s.

    Raises:
        CorruptError: an opcode or name that is not on the list, or a pickle that doesn't hold together.
    """
    return unpickle.read(stream, what, _WEIGHTS)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, Storage) or not all(map(_is_count, numbers)):
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


def _persistent(machine: Machine, _: Any) -> None:
    """("storage", type, key, location, count[, view]): torch's reference to numbers outside the pickle."""
    (pid,) = machine.take(1)
    word, kind, key, _location, count, *view = pid
    if word != "storage" or not isinstance(kind, StorageType) or any(part is not None for part in view):
        raise Refused("has a reference that is not a plain storage.")
    if not isinstance(key, str) or not _is_count(count):
        raise Refused(f"has a storage with key {shown(key)} and count {shown(count)}.")
    machine.push(Storage(kind, key, count))


def _key(key: Any) -> Any:
    if type(key) not in (str, int):  # a nested tuple as key would take exponential time to hash
        raise Refused(f"has a {type(key).__name__} as a key.")
    return key


_STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_WEIGHTS = Dialect(
    content="weights",
    names={
        "collections.OrderedDict": Callee(_ordered_dict),
        "torch._utils._rebuild_tensor_v2": Callee(_tensor),
        "torch._utils._rebuild_parameter": Callee(_parameter),
        **{f"torch.{name}Storage": StorageType(name) for name in _STORAGES},
    },
    states={dict: lambda _target, _state: None},  # attributes of an OrderedDict: torch keeps `_metadata` there
    key=_key,
    opcodes={**dict.fromkeys(("SHORT_BINSTRING", "BINSTRING"), Machine.push), "BINPERSID": _persistent},
    unknown=(
        ", which is not a tensor of weights. It was not executed.\n"
        "Use a file of plain tensors (a state dict), or safetensors."
    ),
)
