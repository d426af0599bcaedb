"""What add and mul share: the shape that comes out of arrays of different shapes, as NumPy broadcasts."""

from __future__ import annotations

from functools import reduce
from itertools import zip_longest

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, Size


def broadcast(shapes: tuple[Shape, ...], what: str) -> Shape:
    """The common shape; axes are matched from the last, and an axis of 1 takes the size of the others.

    Raises:
        UnsupportedError: two sizes differ and none is 1.
    """

    def both(left: Size, right: Size) -> Size:
        if left == right or right == 1:
            return left
        if left == 1:
            return right
        raise UnsupportedError(
            f"{what}: the shapes {' and '.join(map(str, shapes))} don't fit; sizes must agree or be 1"
        )

    def pair(left: Shape, right: Shape) -> Shape:
        sizes = [both(a, b) for a, b in zip_longest(reversed(left), reversed(right), fillvalue=1)]
        return tuple(reversed(sizes))

    return reduce(pair, shapes)


def mergeable(shapes: tuple[Shape, ...]) -> bool:
    """Whether Keras's merging layers take them: of one rank, and of one batch size."""
    return len({len(shape) for shape in shapes}) == 1 and len({shape[0] for shape in shapes}) == 1
