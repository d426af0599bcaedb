"""Dimensions: whatever is done to a symbol gives the number that the same arithmetic gives at any size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Dim, Size, at, fixed, from_json, to_json

STEPS: dict[str, Callable[[Size, int], Size]] = {
    "+": lambda size, k: size + k,
    "-": lambda size, k: size - k,
    "from": lambda size, k: k - size,
    "*": lambda size, k: size * k,
    "//": lambda size, k: size // k,
}
programs = st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(1, 7)), max_size=6)


@given(programs, st.integers(1, 500))
def test_arithmetic_of_a_symbol_is_that_of_its_value(program: list[tuple[str, int]], height: int) -> None:
    symbolic: Size = Dim("height")
    number: Size = height
    for word, k in program:
        symbolic, number = STEPS[word](symbolic, k), STEPS[word](number, k)
    assert at(symbolic, height=height) == number


@given(st.integers(1, 9), st.integers(1, 9))
def test_nested_floors_are_one_floor(a: int, b: int) -> None:
    assert Dim("height") // a // b == Dim("height") // (a * b)


def test_equal_dimensions_are_equal_and_hash_alike() -> None:
    left, right = (Dim("height") + 3) * 2, Dim("height") * 2 + 6
    assert left == right
    assert len({left, right}) == 1
    assert Dim("height") - Dim("height") == 0


def test_what_is_no_dimension_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="sum of two symbols"):
        Dim("height") + Dim("width")
    with pytest.raises(UnsupportedError, match="product of two symbols"):
        Dim("height") * Dim("width")
    with pytest.raises(UnsupportedError, match="flatten needs a fixed size"):
        fixed(Dim("height"), "flatten")


def test_json_both_ways() -> None:
    assert [from_json(to_json(size)) for size in (7, Dim("height"))] == [7, Dim("height")]
    with pytest.raises(UnsupportedError):
        to_json(Dim("height") + 1)
