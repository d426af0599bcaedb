"""What capture hands to raisings: a value of the graph in the making."""

from __future__ import annotations

from dataclasses import dataclass

from bakeoff.graph.graph import Ref
from bakeoff.ops._dimension import Shape


@dataclass(frozen=True)
class Value:
    """A value and its canonical shape, which is Keras's own: channels last."""

    ref: Ref
    shape: Shape

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)
