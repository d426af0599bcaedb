"""What capture hands to importers: a value of the graph in the making."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.graph.graph import Ref
from bakeoff.ops._dimension import Shape
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Value:
    """A value and its canonical shape, which is Keras's own: channels last."""

    ref: Ref
    shape: Shape

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)


def array_of(given: Any) -> Array:
    """A copy of a variable, a tensor of Keras's backend, or anything that NumPy takes."""
    value = getattr(given, "value", given)
    value = value.detach().cpu() if hasattr(value, "detach") else value
    return np.array(value.numpy() if hasattr(value, "numpy") else value)  # a tf.Tensor warns of NumPy 2 without it
