"""What a tensor of the captured program is here: a value of the graph, a weight, a constant, or a random mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from bakeoff.graph.graph import Ref
from bakeoff.ops._dimension import Dim, Shape, Size, at

BATCH = "batch"
NOT_MINE = object()  # a pattern's answer to a call that is something else


@dataclass(frozen=True)
class Batch:
    """The stand-in for the batch: a prime that divides no other size, so that each of its multiples is the batch."""

    prime: int

    def size(self, number: int) -> Size:
        """A size of the program as a dimension."""
        return Dim(BATCH) * (number // self.prime) if number and number % self.prime == 0 else number

    def shape(self, sizes: tuple[int, ...]) -> Shape:
        """Sizes of the program as dimensions."""
        return tuple(self.size(int(number)) for number in sizes)

    def number(self, size: Size) -> int:
        """The inverse of `size`."""
        return at(size, **{BATCH: self.prime})

    def one(self, number: int, images: int = 1) -> int:
        """A size as it is where constants keep one row for the batch, or one for each of two images."""
        return number // self.prime * images if number and number % self.prime == 0 else number


@dataclass(frozen=True)
class Value:
    """A value of the graph.

    Attributes:
        sizes: as torch counts axes, with the stand-in for the batch.
        order: order[i] is the canonical axis that torch's axis i is.
    """

    ref: Ref
    sizes: tuple[int, ...]
    order: tuple[int, ...]
    dtype: torch.dtype

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.sizes)

    @property
    def canonical(self) -> tuple[int, ...]:
        """Its sizes by canonical axis."""
        return tuple(self.sizes[axis] for axis in inverse(self.order))


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer of the module, by the first of its names in the state dict."""

    path: str
    sizes: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class Known:
    """A constant. `sizes` are those of the program; the tensor keeps one row where they have the batch.

    Attributes:
        path: of the buffer that it is.
        fine: the same worked out in float64, so that a net in float64 isn't bound to roundings of float32.
        two: the same worked out for a batch of two images; None where the batch has no part in it.
    """

    tensor: torch.Tensor
    sizes: tuple[int, ...]
    path: str = ""
    fine: torch.Tensor | None = None
    two: torch.Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Of its elements."""
        return self.tensor.dtype

    @property
    def doubled(self) -> torch.Tensor:
        """In float64, if its elements are floating-point numbers; a copy where it isn't kept."""
        if self.fine is not None:
            return self.fine
        return self.tensor.detach().double() if self.tensor.is_floating_point() else self.tensor.detach().clone()

    @property
    def best(self) -> torch.Tensor:
        """The finer one, where both agree: a rounding that tipped a floor or a comparison is the program's own."""
        tensor, fine = self.tensor.detach().cpu(), self.fine
        if fine is None or fine.shape != tensor.shape:
            return tensor
        return fine if close(fine, tensor) and not torch.equal(fine, tensor.double()) else tensor

    @property
    def of_one(self) -> bool:
        """Whether it broadcasts: it has 1 wherever the program has the batch."""
        return all(row in (1, size) for row, size in zip(self.tensor.shape, self.sizes, strict=True))

    def to(self, dtype: torch.dtype) -> Known:
        """The same numbers in another precision."""
        return Known(self.tensor.to(dtype), self.sizes, two=None if self.two is None else self.two.to(dtype))


@dataclass(frozen=True)
class Counted(Known):
    """A constant that isn't the same for every image (torch.arange(batch)): of use only to what makes it so again."""

    @property
    def each(self) -> bool:
        """Whether it is the place of every image in its batch: 0, 1, 2, ..."""
        return self.two is not None and self.two.tolist() == [0, 1]


class Unexplained(Exception):  # noqa: N818  # no error: what it says is acted on
    """Random numbers that are no dropout: `key` says whose. They are drawn as a value of their own then."""

    def __init__(self, key: tuple[str, int]) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True)
class Noise:
    """Random numbers, or what the program has made of them so far.

    Attributes:
        keep: a mask that is 1 with this probability; None: still uniform numbers.
        shift: what was added to uniform numbers.
        scaled: whether a mask has been divided by `keep`.
        key: which draw of the live module it is.
        above: the bound that uniform numbers were held against; `opposite`: what is below it is kept.
    """

    sizes: tuple[int, ...]
    dtype: torch.dtype
    keep: float | None = None
    shift: float = 0.0
    scaled: bool = False
    key: tuple[str, int] = ("", 0)
    above: float | None = None
    opposite: bool = False


@dataclass(frozen=True)
class Condition:
    """Truth values: where a number is above a bound, or (`opposite`) where it is not."""

    value: Value
    above: float
    opposite: bool
    sizes: tuple[int, ...]
    dtype: torch.dtype = torch.bool


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are the same but for rounding."""
    if one.shape != other.shape:
        return False
    one, other = one.detach().double(), other.detach().double()
    largest = float(other.abs().max()) if other.numel() else 0.0
    return bool(torch.allclose(one, other, rtol=1e-5, atol=1e-6 * largest, equal_nan=True))


def plain(rank: int) -> tuple[int, ...]:
    """Torch's own order."""
    return tuple(range(rank))


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """The torch axis that each canonical axis is."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def sizes_of(meta: Any) -> tuple[int, ...]:
    """The sizes of a fake tensor."""
    return tuple(int(size) for size in meta.shape)
