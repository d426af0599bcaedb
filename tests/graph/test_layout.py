"""Reshapes of values that lie in any order: always the same numbers as in canonical order, moved only where needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import UnsupportedError
from bakeoff.graph.layout import blocks, real, reshape_orders
from bakeoff.ops._dimension import Dim

BATCH = Dim("batch")


def factors(total: int, rng: np.random.Generator) -> tuple[int, ...]:
    """A shape of so many elements, ones among its sizes."""
    sizes = []
    while total > 1 and len(sizes) < 5:
        sizes.append(int(rng.choice([n for n in range(1, total + 1) if total % n == 0])))
        total //= sizes[-1]
    return (*sizes, total)


@pytest.mark.parametrize("seed", range(200))
def test_any_reshape_of_any_order_is_the_canonical_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    total = int(rng.choice([12, 24, 36, 60]))
    source, target = factors(total, rng), factors(total, rng)
    axes = tuple(map(int, rng.permutation(len(source))))
    canonical = np.arange(total).reshape(source)
    wanted, lies = reshape_orders(axes, source, target)
    assert sorted(wanted) == list(range(len(source)))
    physical = canonical.transpose(wanted).reshape(tuple(target[axis] for axis in lies))
    np.testing.assert_array_equal(physical.transpose(np.argsort(lies)), canonical.reshape(target))


@given(st.permutations(range(4)))
def test_an_axis_alone_is_never_moved(axes: list[int]) -> None:
    wanted, lies = reshape_orders(axes, (2, 3, 4, 6), (2, 3, 4, 2, 3))
    assert list(wanted) == axes
    assert [axis for axis in lies if axis != 4] == [axis for axis in axes if axis != 4]


@pytest.mark.parametrize(
    ("axes", "source", "target", "free"),
    [
        ((0, 3, 1, 2), (BATCH, 7, 7, 64), (BATCH, 49, 64), True),  # tokens of an image that has channels first
        ((0, 3, 1, 2), (BATCH, 7, 7, 64), (BATCH, 3136), False),
        ((0, 3, 1, 2), (BATCH, 1, 1, 64), (BATCH, 64), True),
        ((0, 3, 1, 2), (BATCH, 8, 8, 6), (BATCH, 2, 4, 2, 4, 6), True),  # rows and columns parted
        ((0, 1, 3, 2, 4, 5), (BATCH, 2, 2, 4, 4, 6), (4 * BATCH, 16, 6), False),  # windows
        ((0, 2, 1, 3), (BATCH, 3, 5, 4), (BATCH, 3, 20), False),
        ((0, 2, 1, 3), (BATCH, 5, 3, 4), (BATCH, 5, 12), False),
        ((0, 1, 2, 3), (4 * BATCH, 5, 3, 4), (BATCH, 2, 2, 5, 12), True),
    ],
)
def test_what_is_free(axes: tuple[int, ...], source: tuple[int, ...], target: tuple[int, ...], free: bool) -> None:
    wanted, _ = reshape_orders(axes, source, target)
    assert (real(wanted, source) == real(axes, source)) == free


def test_blocks_are_as_small_as_can_be() -> None:
    found = blocks((BATCH, 4, 6, 5), (BATCH, 2, 2, 3, 2, 5))
    assert found == [([0], [0]), ([1], [1, 2]), ([2], [3, 4]), ([3], [5])]


def test_other_numbers_of_cells_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="different numbers of elements"):
        blocks((BATCH, 4, 6), (BATCH, 5, 5))
