"""Numbers the way that a person writes them."""

from __future__ import annotations

from typing import Any

from bakeoff.exports.source._tree import Expression


def plain(value: Any) -> Any:
    """(3, 3) as 3, the way that a person writes it."""
    if isinstance(value, tuple | list) and value and isinstance(value[0], int) and not isinstance(value[0], bool):
        if len(set(value)) == 1 and len(value) <= 2:
            return value[0]
        return Expression("tuple", "", tuple(value))
    if isinstance(value, tuple | list):
        return Expression("tuple", "", tuple(value))
    return value


def exact(value: Any) -> Any:
    """A tuple as it is: classes of our own take no number in its place."""
    return Expression("tuple", "", tuple(value)) if isinstance(value, tuple | list) else value
