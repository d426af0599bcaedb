"""Dimensions: an integer, a symbol (batch, height, width), or what a shape rule makes of one.

    Dim("height")                    a symbol
    (Dim("height") + 1) // 2         floor((height + 1) / 2), as a convolution of stride 2 gives
    Dim.at(dim, height=7)            its value at a size

Every dimension is `scale * atom + offset`, the atom being a symbol or a floor division of another dimension by an
integer. That is closed under what convolution, pooling and padding do. A product of two symbols is refused: a net that
asks for one (a flatten of a free size) has a fixed input size, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from bakeoff.errors import UnsupportedError


@dataclass(frozen=True)
class Floor:
    """floor(numerator / divisor)."""

    numerator: Dim
    divisor: int


@dataclass(frozen=True)
class Dim:
    """scale * atom + offset; scale is never 0."""

    atom: str | Floor
    scale: int = 1
    offset: int = 0

    def __add__(self, other: Size) -> Size:
        if isinstance(other, int):
            return Dim(self.atom, self.scale, self.offset + other)
        if other.atom != self.atom:
            raise UnsupportedError(f"{self} + {other}: a sum of two symbols is not a dimension. Fix the input size.")
        scale, offset = self.scale + other.scale, self.offset + other.offset
        return Dim(self.atom, scale, offset) if scale else offset

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return Dim(self.atom, -self.scale, -self.offset)

    def __sub__(self, other: Size) -> Size:
        return self + (-other)

    def __rsub__(self, other: int) -> Size:
        return -self + other

    def __mul__(self, other: Size) -> Size:
        if not isinstance(other, int):
            raise UnsupportedError(f"({self}) * ({other}): a product of two symbols. Fix the input size.")
        return Dim(self.atom, self.scale * other, self.offset * other) if other else 0

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Size:
        if divisor == 1:
            return self
        if self.scale % divisor == 0:
            return Dim(self.atom, self.scale // divisor, self.offset // divisor)
        if isinstance(self.atom, Floor) and self.scale == 1:  # floor((floor(n / a) + c) / b) = floor((n + a c) / (a b))
            inner = self.atom
            numerator = inner.numerator + inner.divisor * self.offset
            assert isinstance(numerator, Dim)
            return Dim(Floor(numerator, inner.divisor * divisor))
        return Dim(Floor(self, divisor))

    def __str__(self) -> str:
        atom = self.atom if isinstance(self.atom, str) else f"(({self.atom.numerator}) // {self.atom.divisor})"
        text = atom if self.scale == 1 else f"{self.scale} * {atom}"
        return text + (f" {'+' if self.offset > 0 else '-'} {abs(self.offset)}" if self.offset else "")

    __repr__ = __str__

    def symbol(self) -> str:
        """The symbol it depends on."""
        return self.atom if isinstance(self.atom, str) else self.atom.numerator.symbol()


Size = int | Dim
Shape = tuple[Size, ...]


def at(size: Size, **values: int) -> int:
    """The integer that a dimension is when its symbol has a value.

    Raises:
        KeyError: its symbol has no value.
    """
    if isinstance(size, int):
        return size
    atom = size.atom
    base = values[atom] if isinstance(atom, str) else at(atom.numerator, **values) // atom.divisor
    return size.scale * base + size.offset


def fixed(size: Size, what: str) -> int:
    """The dimension as an integer.

    Raises:
        UnsupportedError: it is symbolic, and `what` needs a number.
    """
    if isinstance(size, int):
        return size
    raise UnsupportedError(f"{what} needs a fixed size, and got {size}. Build the net for one input size.")


def product(sizes: Shape, what: str) -> int:
    """The product of fixed sizes."""
    total = 1
    for size in sizes:
        total *= fixed(size, what)
    return total


def too_small(size: Size) -> bool:
    """Whether a dimension is a number below 1; a symbol is taken at its word."""
    return isinstance(size, int) and size < 1


def to_json(size: Size) -> int | str:
    """An integer, or the name of a plain symbol (only inputs are stored; the rest is worked out again)."""
    if isinstance(size, int):
        return size
    if not isinstance(size.atom, str) or size.scale != 1 or size.offset:
        raise UnsupportedError(f"an input's dimension must be a number or a symbol, not {size}")
    return size.atom


def from_json(value: int | str) -> Size:
    """The inverse of `to_json`."""
    return value if isinstance(value, int) else Dim(value)
