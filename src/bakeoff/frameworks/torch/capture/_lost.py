"""The modules that ask whether they train, and what the graph loses where some of them have to predict."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bakeoff.frameworks.torch.capture._copy import copied
from bakeoff.frameworks.torch.capture._export import WHOLE, Mode, dtype_of, moded
from bakeoff.parity.lost import Seen, merged
from bakeoff.parity.lost import lost as compared
from bakeoff.schemas import Declared

IMAGES = 4  # in a pass that is measured: one that mixes images needs several
STOCK = frozenset((nn.modules.batchnorm.__name__, nn.modules.dropout.__name__))  # pages know what these do in training


@dataclass(frozen=True)
class Group:
    """The modules of one class that ask whether they train.

    Attributes:
        stock: the class is a batch norm or dropout of torch's own.
    """

    paths: frozenset[str]
    stock: bool


def predicting(groups: Iterable[Group]) -> Mode:
    """The mode in which these predict, and all else trains."""
    return frozenset(path for group in groups for path in group.paths)


def reading(model: nn.Module, size: tuple[int, int], channels: int) -> list[Group]:
    """Who asks in a training pass whether it trains, by class."""
    found: dict[type, set[str]] = {}
    copy = copied(model)

    def watch() -> None:
        for path, module in copy.named_modules():
            _watched(path, module, found)

    _run(copy, size, channels, WHOLE, watch)
    return [Group(frozenset(paths), kind.__module__ in STOCK) for kind, paths in found.items()]


def _watched(path: str, module: nn.Module, found: dict[type, set[str]]) -> None:
    """Let a module tell when its `training` is read."""
    kind = type(module)

    def read(self: Any) -> bool:
        found.setdefault(kind, set()).add(path)
        return bool(vars(self)["training"])

    def write(self: Any, value: bool) -> None:
        vars(self)["training"] = value

    module.__class__ = type(kind.__name__, (kind,), {"training": property(read, write), "__module__": kind.__module__})


def lost(model: nn.Module, size: tuple[int, int], channels: int, groups: Sequence[Group]) -> tuple[Declared, ...]:
    """What these groups do in training, against what they do in prediction."""
    whole = _run(copied(model), size, channels, WHOLE)
    return merged(
        compared((path or type(model).__name__ for path in group.paths), whole, other)
        for group in groups
        for other in [_run(copied(model), size, channels, group.paths)]
    )


def moved(path: str) -> Declared:
    """A buffer that the graph's own training pass changes."""
    module, _, name = path.rpartition(".")
    return Declared("state", (module or name,), f"in training it changes its {name}")


def _run(
    copy: nn.Module, size: tuple[int, int], channels: int, mode: Mode, begun: Callable[[], object] = lambda: None
) -> Seen:
    """One training pass of a copy, on noise; what it showed, as far as it came."""
    seen = Seen()
    before = {name: tensor.detach().clone() for name, tensor in copy.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((IMAGES, channels, *size), generator=generator).to(dtype_of(copy))
    with torch.random.fork_rng(devices=[]), moded(copy, mode), _streams(copy, seen.drew), torch.enable_grad():
        begun()
        try:
            found = copy(images)
        except Exception as error:  # the user's own code; what it did until then was seen
            seen.failed = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            return seen
    parts = [found] if isinstance(found, torch.Tensor) else found.values() if isinstance(found, dict) else found
    arrays = [part.detach().double().numpy() for part in parts if isinstance(part, torch.Tensor)]
    seen.first, seen.outputs = (arrays[0] if arrays else None), len(arrays)
    stock = {path for path, module in copy.named_modules() if type(module).__module__ in STOCK}
    changed = (name for name, tensor in copy.state_dict().items() if not torch.equal(tensor, before[name]))
    seen.changed |= {name for name in changed if name.rpartition(".")[0] not in stock}
    seen.drew -= stock
    return seen


@contextmanager
def _streams(copy: nn.Module, drew: set[str]) -> Iterator[None]:
    """Each module draws from a stream of its own: one that draws nothing moves no other's masks."""
    stack: list[tuple[torch.Tensor, torch.Tensor]] = []

    def entered(path: str) -> Any:
        def hook(*_: Any) -> None:
            outer = torch.get_rng_state()
            torch.default_generator.manual_seed(zlib.crc32(path.encode()))
            stack.append((outer, torch.get_rng_state()))

        return hook

    def left(path: str) -> Any:
        def hook(*_: Any) -> None:
            outer, own = stack.pop()
            if not torch.equal(torch.get_rng_state(), own):
                drew.add(path)
            torch.set_rng_state(outer)

        return hook

    modules = list(copy.named_modules())
    handles = [module.register_forward_pre_hook(entered(path), prepend=True) for path, module in modules]
    handles += [module.register_forward_hook(left(path)) for path, module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
