"""Where a random draw of a net goes by in the graph: its node, how its axes lie, and what the node makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from bakeoff.graph.layout import Features, Value
from bakeoff.schemas import Array, Drawn

BESIDE = 1e-6  # of a bound: on which side of it a uniform number is handed in, so that another bound shows
Key = tuple[str, int]  # who draws, by its path, and the count of its draws
Draws = Mapping[str, tuple[str, Value, bool]]  # by node: who draws for it; what its mask lies like; see Place


@dataclass(frozen=True)
class Place:
    """A draw, as the net has it, and as the graph has it.

    Attributes:
        node: its id; "": the logits don't hang on it.
        axes: axes[i] is the canonical axis that the net's axis i is.
        features: how the last axis is counted, where it was flattened.
        above: of a mask that is made of uniform numbers: the bound above which it keeps.
        opposite: it keeps what is below.
        shape: as the node has it, axes as the net counts them, and -1 for the batch; (): as the net draws it.
        gaussian: uniform numbers are the normal distribution's own function at the normal ones that the net draws.
    """

    node: str
    axes: tuple[int, ...] = ()
    features: Features | None = None
    above: float | None = None
    opposite: bool = False
    shape: tuple[int, ...] = ()
    gaussian: bool = False

    def read(self, kind: str, rate: float, array: Array) -> Drawn:
        """What was drawn, as the graph has it."""
        if self.above is not None and kind == "uniform":
            kind, rate = "bernoulli", 1 - self.above if self.opposite else self.above
            array = np.where((array > self.above) != self.opposite, 1.0, 0.0)
        if self.gaussian and kind == "normal":
            kind, array = "uniform", np.vectorize(NormalDist().cdf, otypes="d")(array)
        array = array.reshape(self.shape) if self.shape else array
        while array.ndim > len(self.axes) and array.shape[0] == 1:  # torch's attention without heads draws for one
            array = array[0]
        if array.ndim == len(self.axes):
            array = array.transpose(np.argsort(self.axes))
        return Drawn(kind, self._counted(array, physical=False), rate)

    def native(self, values: Array) -> Array:
        """Values of the graph as the net draws them."""
        array = self._counted(values, physical=True)
        if array.ndim == len(self.axes):
            array = array.transpose(self.axes)
        if self.above is not None:
            array = self.above + BESIDE * np.where((array > 0) != self.opposite, 1.0, -1.0)
        if self.gaussian:
            array = np.vectorize(NormalDist().inv_cdf, otypes="d")(np.clip(array, 2.0**-60, 1 - 2.0**-53))
        return np.array(array, order="C")

    def _counted(self, array: Array, *, physical: bool) -> Array:
        """The flattened axis, counted as the net or as the graph does."""
        features = self.features
        if features is None or array.shape[-1] == 1:
            return array
        sizes = dict(zip(features.canonical, features.sizes, strict=True))
        before, after = features.canonical, features.physical
        if not physical:
            before, after = after, before
        parted = array.reshape(*array.shape[:-1], *(sizes[axis] for axis in before))
        lead = array.ndim - 1
        order = (*range(lead), *(lead + before.index(axis) for axis in after))
        return parted.transpose(order).reshape(array.shape)


UNREAD = Place("")


def placed(draws: Draws) -> dict[Key, Place]:
    """Where the draws of a rebuilt net go by: who draws for several nodes draws in the graph's order."""
    found: dict[Key, Place] = {}
    count: dict[str, int] = {}
    for node, (owner, value, gaussian) in draws.items():
        count[owner] = count.get(owner, -1) + 1
        found[owner, count[owner]] = Place(node, value.axes, value.features, gaussian=gaussian)
    return found
