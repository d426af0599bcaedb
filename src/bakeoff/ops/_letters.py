"""Equations for sums of products whose letters follow the order in which axes lie, so that nothing need be moved."""

from __future__ import annotations

from collections.abc import Sequence

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def lain(letters: Sequence[str], order: Sequence[int]) -> str:
    """Canonical letters in physical order."""
    return "".join(letters[axis] for axis in order)


def lower(equation: str) -> str:
    """The equation with small letters only: Keras works out no shape for capital ones.

    Raises:
        ValueError: it has more than 26 letters.
    """
    used = sorted({letter for letter in equation if letter.isalpha()})
    if len(used) > len(LETTERS):
        raise ValueError(f"einsum: {equation!r} has more than {len(LETTERS)} letters")
    names = dict(zip(used, LETTERS, strict=False))
    return "".join(names.get(sign, sign) for sign in equation)
