"""How an array of the graph lies in the module's state dict: axes in another order, and perhaps axes of size 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bakeoff.frameworks.torch.capture._values import inverse, plain
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Layout:
    """From a state-dict entry to a parameter of the graph and back; only axes move, so both ways are bit for bit.

    Attributes:
        path: of the graph's parameter; tied entries share one.
        native: the shape in the state dict.
        order: order[i] is the canonical axis that the entry's axis i becomes.
        shape: the canonical shape, where it has more or fewer axes of size 1; else None.
    """

    path: str
    native: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...] | None = None

    @classmethod
    def as_is(cls, path: str, native: tuple[int, ...]) -> Layout:
        """The entry unchanged."""
        return cls(path, native, plain(len(native)))

    def to_canonical(self, array: Array) -> Array:
        """State dict -> graph; a copy."""
        moved = array.transpose(inverse(self.order))
        return np.array(moved if self.shape is None else moved.reshape(self.shape), order="C")

    def to_native(self, array: Array) -> Array:
        """Graph -> state dict; a copy."""
        moved = array.reshape(tuple(self.native[axis] for axis in inverse(self.order)))
        return np.array(moved.transpose(self.order), order="C")
