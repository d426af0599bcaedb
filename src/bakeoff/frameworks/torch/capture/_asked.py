"""A pass that only asks for shapes, whose sizes remember what the net asked of them.

Tensors are on the meta device and hold nothing, so that a pass takes milliseconds at any size and batch. A comparison
of a size in the user's own code is a guard, as torch.export has them: from its expression follows at which other sizes
it would come out otherwise. (With torch.export's own symbols the same takes a minute and more for some nets.)
"""

from __future__ import annotations

import math
import operator
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

LIBRARY = os.path.dirname(torch.__file__)
TRIED = np.unique(np.concatenate([np.arange(1, 4097), np.geomspace(4097, 2**24, 4096).astype(int)]))
SHAPE = torch.Tensor.shape.__get__  # type: ignore[attr-defined]
Leaves = Mapping[int, int]
Expression = Callable[[Mapping[int, Any]], Any]


@dataclass(frozen=True)
class Guard:
    """A comparison that the user's code made.

    Attributes:
        place: file and line.
        leaves: the sizes that it is about, by number.
        expression: from sizes, or arrays of them, to what it would give.
        truth: what it gave.
    """

    place: str
    leaves: Leaves
    expression: Expression
    truth: bool

    def flips(self, batch: int) -> list[tuple[int, int]]:
        """Sizes as they were, each with the nearest below and above for which the answer is the other.

        Args:
            batch: the number of images of the pass; its multiples stay that.
        """
        found = []
        first = next(iter(self.leaves.values()))
        for value, leaves in [(size, [leaf]) for leaf, size in self.leaves.items()] + [(first, list(self.leaves))]:
            unit = value // batch if value and value % batch == 0 else 1
            sizes = TRIED * unit
            scaled = {leaf: sizes * self.leaves[leaf] // max(value, 1) for leaf in leaves}
            with np.errstate(all="ignore"):
                truth = np.broadcast_to(self.expression({**self.leaves, **scaled}), sizes.shape).astype(bool)
            other = sizes[truth != self.truth]
            found += [(value, int(one)) for one in (*other[other < value][-1:], *other[other > value][:1])]
        return found


class _Number:
    """What `_Side` and `_Part` share: arithmetic that keeps the expression, comparisons that are noted."""

    asking: Asking
    leaves: Leaves
    expression: Expression

    def __float__(self) -> float:  # math.sqrt(x) and the like: what follows is not seen
        self.asking.escaped = self.asking.escaped or not _is_torchs(sys._getframe(1))
        return float(_plain(self))


class _Side(_Number, int):
    """A size."""

    def __int__(self) -> int:
        return int(float(self))


class _Part(_Number):
    """What became of a size by division."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __int__(self) -> int:
        return int(float(self))

    def __format__(self, how: str) -> str:
        return format(self.value, how)


def _is_torchs(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith((LIBRARY, "<"))


def _plain(value: Any) -> Any:
    return int.__index__(value) if isinstance(value, _Side) else value.value if isinstance(value, _Part) else value


def _kept(value: Any, asking: Asking, leaves: Leaves, expression: Expression) -> Any:
    kind = {int: _Side, float: _Part}.get(type(value))
    if kind is None:
        return value
    made = kind(value)
    made.asking, made.leaves, made.expression = asking, leaves, expression
    return made


def _operation(function: Callable[..., Any], whole: Callable[..., Any], *, guard: bool, turned: bool) -> Any:
    """A method: of plain numbers `function`, of arrays `whole`."""

    def method(self: Any, *others: Any) -> Any:
        if any(not isinstance(one, int | float | _Number) for one in others):
            return NotImplemented
        operands = (*others, self) if turned else (self, *others)
        leaves = {leaf: size for one in operands if isinstance(one, _Number) for leaf, size in one.leaves.items()}
        value = function(*map(_plain, operands))

        def expression(sizes: Mapping[int, Any]) -> Any:
            return whole(*(one.expression(sizes) if isinstance(one, _Number) else one for one in operands))

        if not guard:
            return _kept(value, self.asking, leaves, expression)
        caller = sys._getframe(1)
        if not _is_torchs(caller):
            place = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"
            self.asking.guards.append(Guard(place, leaves, expression, bool(value)))
        return value

    return method


for _name in ("add", "sub", "mul", "floordiv", "mod", "truediv", "pow"):
    _function = getattr(operator, _name)
    setattr(_Number, f"__{_name}__", _operation(_function, _function, guard=False, turned=False))
    setattr(_Number, f"__r{_name}__", _operation(_function, _function, guard=False, turned=True))
for _name, _function, _whole in (
    ("neg", operator.neg, np.negative), ("abs", abs, np.abs), ("round", round, np.round),
    ("ceil", math.ceil, np.ceil), ("floor", math.floor, np.floor), ("trunc", math.trunc, np.trunc),
):  # fmt: skip
    setattr(_Number, f"__{_name}__", _operation(_function, _whole, guard=False, turned=False))
for _name in ("lt", "le", "eq", "ne", "gt", "ge"):
    _function = getattr(operator, _name)
    setattr(_Number, f"__{_name}__", _operation(_function, _function, guard=True, turned=False))
_Number.__bool__ = _operation(bool, lambda value: value != 0, guard=True, turned=False)  # type: ignore[attr-defined]
_Number.__hash__ = lambda self: hash(_plain(self))  # type: ignore[method-assign]


@dataclass(frozen=True)
class Step:
    """A call that gave tensors: its name, the sizes among its arguments, and all else in them that isn't a tensor."""

    name: str
    sizes: tuple[int, ...]
    rest: str


class Asking(TorchFunctionMode):  # type: ignore[misc]  # torch.overrides has no types
    """Inside it, shapes hold numbers that remember, and every tensor is on the meta device.

    Attributes:
        guards: the comparisons of the user's code.
        steps: the calls, in order.
        escaped: whether a size became a number of Python's own, so that comparisons of it aren't seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.guards: list[Guard] = []
        self.steps: list[Step] = []
        self.escaped, self._count = False, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map(_native, (args, kwargs or {}))
        out = func(*args, **kwargs)
        if func is torch.Tensor.size or func == SHAPE:
            return self._remembering(out)
        if any(isinstance(one, torch.Tensor) for one in tree_flatten(out)[0]):
            leaves, structure = tree_flatten((args, kwargs))
            sizes = tuple(one for one in leaves if type(one) is int)
            rest = [f"{type(one).__name__} {one}" for one in leaves if not isinstance(one, int | torch.Tensor)]
            self.steps.append(Step(getattr(func, "__name__", str(func)), sizes, f"{rest}{structure}"))
        return out

    def _remembering(self, given: Any) -> Any:
        if isinstance(given, tuple):
            return torch.Size(map(self._remembering, given))
        self._count += 1
        leaf = self._count
        return _kept(int(given), self, {leaf: int(given)}, lambda sizes: sizes[leaf])


def _native(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value if value.is_meta or isinstance(value, nn.Parameter) else value.to("meta")
    if isinstance(value, torch.Size):
        return torch.Size(map(_plain, value))
    return _plain(value)


def asked(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Asking, tuple[int, ...]] | None:
    """A pass on nothing, and the sizes of the output; None where the net can't take such images.

    Args:
        model: on the meta device, in its mode.
        shape: (N, C, H, W).
        dtype: of the images.
    """
    asking = Asking()
    try:
        with torch.no_grad(), asking:
            out = model(torch.empty(shape, dtype=dtype, device="meta"))
    except Exception:  # the net's own, or an operator without a meta kernel
        return None
    first = next((one for one in tree_flatten(out)[0] if isinstance(one, torch.Tensor)), None)
    return asking, tuple(first.shape) if first is not None else ()
