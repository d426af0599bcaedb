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
    """Where a parameter lives in the native net, and how it is laid out there.

    Attributes:
        dtype: of the canonical array, where the library keeps it in another one; else empty.
    """

    path: str
    owner: str
    attribute: str
    pattern: str = ""
    sizes: tuple[tuple[str, int], ...] = ()
    dtype: str = ""

    def to_native(self, array: Array) -> Array:
        """Canonical -> native; a copy."""
        return array.copy() if not self.pattern else np.array(rearrange(array, self.pattern, **dict(self.sizes)))

    def to_canonical(self, array: Array) -> Array:
        """Native -> canonical, by the same pattern read backwards; a copy."""
        if self.dtype:
            array = array.astype(self.dtype)
        if not self.pattern:
            return array.copy()
        left, right = self.pattern.split(" -> ")
        return np.array(rearrange(array, f"{right} -> {left}", **dict(self.sizes)))


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
