"""A running mean of the weights (EMA), in NumPy: the same in every framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bakeoff.schemas import Array


class Average:
    """a <- d a + (1 - d) w at every step; every k steps by d^k, since w hardly moves between.

    Running statistics are averaged like weights. Polyak and Juditsky, 1992; the decay of a young mean is smaller,
    min(d, (1 + t) / (10 + t)), as in TensorFlow's ExponentialMovingAverage, so that it doesn't hang on the start.

    Args:
        decay: d, per step.
        every: steps from one update to the next.
    """

    def __init__(self, decay: float, every: int) -> None:
        self.decay, self.every = decay, every
        self.arrays: dict[str, Array] = {}

    def start(self, arrays: Mapping[str, Array]) -> None:
        """The mean is these arrays."""
        self.arrays = {path: array.copy() for path, array in arrays.items()}

    def next(self, step: int) -> int:
        """Steps to the next update."""
        return self.every - step % self.every

    def see(self, step: int, arrays: Callable[[], Mapping[str, Array]]) -> None:
        """After `step` steps; looks at the arrays only when an update is due."""
        if step % self.every:
            return
        decay = min(self.decay, (1 + step) / (10 + step)) ** self.every
        for path, array in arrays().items():
            if not np.issubdtype(array.dtype, np.floating):
                self.arrays[path] = array.copy()
                continue
            mean = self.arrays[path]
            mean += array.dtype.type(1 - decay) * (array - mean)
