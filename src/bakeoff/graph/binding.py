"""Where a parameter lives in a native net, how it is laid out there, and both ways between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from einops import rearrange

from bakeoff.schemas import Array


@dataclass(frozen=True)
class Binding:
    """Where a parameter lives in the native net, and how it is laid out there: see `bakeoff.ops._page.Native`.

    Attributes:
        dtype: of the canonical array, where the library keeps it in another one; else empty.
    """

    path: str
    owner: str
    attribute: str
    pattern: str = ""
    sizes: tuple[tuple[str, int], ...] = ()
    dtype: str = ""
    blocks: tuple[int, ...] = ()

    def to_native(self, array: Array) -> Array:
        """Canonical -> native; a copy."""
        array = blocked(array, self.blocks)
        return array.copy() if not self.pattern else np.array(rearrange(array, self.pattern, **dict(self.sizes)))

    def to_canonical(self, array: Array) -> Array:
        """Native -> canonical, by the same pattern read backwards; a copy."""
        if self.dtype:
            array = array.astype(self.dtype)
        if self.pattern:
            left, right = self.pattern.split(" -> ")
            array = rearrange(array, f"{right} -> {left}", **dict(self.sizes))
        return np.array(unblocked(array, self.blocks))


def blocked(array: Array, order: tuple[int, ...]) -> Array:
    """Equal parts of the last axis in another order; as it is where there is none."""
    if not order:
        return array
    parts = np.split(array, len(order), -1)
    return np.concatenate([parts[part] for part in order], -1)


def unblocked(array: Array, order: tuple[int, ...]) -> Array:
    """The way back."""
    return blocked(array, tuple(order.index(part) for part in range(len(order))))


def load(bindings: Mapping[str, Binding], arrays: Mapping[str, Array], put: Any) -> None:
    """Copy parameters into a native net: `put(binding, native array)`; nothing is aliased."""
    for path, binding in bindings.items():
        if path in arrays:
            put(binding, binding.to_native(arrays[path]))


def read(bindings: Mapping[str, Binding], get: Any) -> dict[str, Array]:
    """Copy parameters out of a native net: `get(binding)` gives the native array."""
    return {path: binding.to_canonical(get(binding)) for path, binding in bindings.items()}


def permutation(pattern: str) -> tuple[int, ...]:
    """The transpose that a pattern without groups means: "h w i o -> o i h w" is (3, 2, 0, 1)."""
    left, right = (side.split() for side in pattern.split(" -> "))
    return tuple(left.index(letter) for letter in right)
