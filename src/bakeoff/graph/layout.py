"""How a value lies in a library: which canonical axis each physical axis is, and what a reshape does to that.

A transpose in the graph renames axes and moves nothing. A reshape is split into the smallest blocks of axes that turn
into each other; a block whose axes lie side by side and in order is reshaped where it is, and only another one costs a
transpose. So an image's rows and columns become tokens, and windows become batches, without a move that the source did
not make.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Dim, Shape, at

PRIMES = (10007, 10009, 10037, 10039)  # stand for symbols where sizes are multiplied; no real axis has these factors


@dataclass(frozen=True)
class Features:
    """How a flattened axis is counted: canonical axes in canonical and in physical order, and their sizes."""

    canonical: tuple[int, ...]
    physical: tuple[int, ...]
    sizes: tuple[int, ...]  # by position in `canonical`

    def group(self, physical: bool) -> str:
        """An einops group of the axes, as "(f1 f2 f3)"."""
        return "(" + " ".join(f"f{axis}" for axis in (self.physical if physical else self.canonical)) + ")"

    def named_sizes(self) -> dict[str, int]:
        """The sizes under the names of `group`."""
        return {f"f{axis}": size for axis, size in zip(self.canonical, self.sizes, strict=True)}


@dataclass(frozen=True)
class Value:
    """A library's symbolic value; `axes[i]` is the canonical axis that physical axis i is."""

    native: Any
    shape: Shape
    axes: tuple[int, ...]
    features: Features | None = None

    @property
    def sizes(self) -> Shape:
        """The sizes in physical order."""
        return tuple(self.shape[axis] for axis in self.axes)


@dataclass(frozen=True)
class Laid:
    """What a page gives back when it knows how its output lies: a native value, and the order of its axes."""

    native: Any
    axes: tuple[int, ...]


def numbers(*shapes: Shape) -> list[tuple[int, ...]]:
    """The shapes with a prime for each symbol, so that products can be compared."""
    symbols = sorted({size.symbol() for shape in shapes for size in shape if isinstance(size, Dim)})
    values = dict(zip(symbols, PRIMES, strict=False))
    return [tuple(at(size, **values) for size in shape) for shape in shapes]


def real(axes: Iterable[int], shape: Shape) -> list[int]:
    """The axes whose size isn't 1: what a transpose has to move."""
    return [axis for axis in axes if shape[axis] != 1]


def reshape_orders(axes: Sequence[int], source: Shape, target: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """In which order the source's axes must lie for a plain reshape, and in which order the target's lie after it.

    The first is `axes` itself (but for axes of size 1) wherever that can be. Else each joined group comes to lie where
    its last axis lies: heads join their features behind the tokens, shuffled channels stay before rows and columns.
    What holds the first axis stays first: that is the batch.

    Raises:
        UnsupportedError: the shapes hold different numbers of elements.
    """
    parts = blocks(source, target)
    place = {axis: index for index, axis in enumerate(axes)}
    keys: list[float] = []
    last = -1.0
    for before, _ in parts:
        places = [place[axis] for axis in real(before, source)]
        last = (0 if 0 in places else max(places)) if places else last + 1e-6
        keys.append(last)
    ranked = sorted(range(len(parts)), key=lambda part: (keys[part], part))
    wanted = tuple(axis for part in ranked for axis in parts[part][0])
    given = tuple(axis for part in ranked for axis in parts[part][1])
    return wanted, given


def blocks(source: Shape, target: Shape) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of axes of both shapes that hold equally many elements."""
    old, new = numbers(source, target)
    found: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        before, after, left, right = [], [], 1, 1
        if i < len(old):
            before, left, i = [i], old[i], i + 1
        if j < len(new):
            after, right, j = [j], new[j], j + 1
        while left != right:
            grow_left = left < right
            if (i if grow_left else j) >= len(old if grow_left else new):
                raise UnsupportedError(f"reshape: {show(source)} and {show(target)} hold different numbers of elements")
            if grow_left:
                before, left, i = [*before, i], left * old[i], i + 1
            else:
                after, right, j = [*after, j], right * new[j], j + 1
        found.append((before, after))
    return found


OUTPUTS = (
    "a number for the whole batch",
    "a number an image",
    "{} numbers an image",
    "a sequence, {} tokens of {}",
    "maps, {} x {} with {} channels",
)


def said(shape: Sequence[object]) -> str:
    """What an output is, in words: maps, 7 x 7 with 512 channels, (batch, 7, 7, 512)."""
    words = OUTPUTS[len(shape)].format(*shape[1:]) if len(shape) < len(OUTPUTS) else f"an array of rank {len(shape)}"
    return f"{words}, {show(shape)}"


def show(shape: Iterable[object]) -> str:
    """A shape as people write it: (batch, 49, 96)."""
    return "(" + ", ".join(map(str, shape)) + ")"
