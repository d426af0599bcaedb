"""What a capture gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.graph.graph import Graph
from bakeoff.preprocessing.signature import Signature
from bakeoff.schemas import Array, Declared

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._layout import Layout
    from bakeoff.graph.draws import Key, Place


@dataclass(frozen=True)
class Captured:
    """A graph, and its way back.

    Attributes:
        graph: the classifier; parameters that the forward pass never reads are in it as well, unused.
        layouts: every entry of the module's state dict -> where it lies in the graph.
        size: (height, width) of the images that it was captured with.
        fixed_size: whether it takes images of that size alone.
        unused parameters: the entries that the forward pass never reads (auxiliary heads, counters), sorted.
        notes: what the reader should know.
        signature: how the module wants its images, where it says so (timm's pretrained_cfg).
        draws: which node each random draw of a training pass belongs to.
        declared: what of its training the graph doesn't hold.
        sizes: other sizes that the module takes, and at which its calls are those of the graph.
        batches: numbers of images, likewise.
        predicting: paths of modules that predict in the graph's training pass, too, whatever the source does there.
        classes: their names, where the module says them (transformers' config).
    """

    graph: Graph
    layouts: Mapping[str, Layout]
    size: tuple[int, int]
    fixed_size: bool
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    signature: Signature | None = None
    draws: Mapping[Key, Place] = field(default_factory=dict)
    declared: tuple[Declared, ...] = ()
    predicting: frozenset[str] = frozenset()
    classes: tuple[str, ...] | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    batches: tuple[int, ...] = ()

    def state_dict(self, arrays: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """The module's state dict, bit for bit.

        Args:
            arrays: canonical arrays by path, as `Graph.arrays` gives; those that are missing are as captured.

        Raises:
            BakeoffError: a path that the graph hasn't, or another shape.
        """
        graph = self.graph if arrays is None else self.graph.with_arrays(arrays)
        found = {}
        for name, layout in self.layouts.items():
            if layout.path not in graph.parameters:
                raise BakeoffError(f"state dict: the graph has no parameter {layout.path!r} for {name!r}")
            found[name] = layout.to_native(graph.parameters[layout.path].array)
        return found

    def from_state_dict(self, state: Mapping[str, Array]) -> Graph:
        """The graph with the numbers of a state dict (NumPy arrays).

        Raises:
            BakeoffError: names or shapes that are not the module's.
        """
        missing, strange = sorted(set(self.layouts) - set(state)), sorted(set(state) - set(self.layouts))
        if missing or strange:
            raise BakeoffError(f"weights of another model: missing {missing[:3]}, unknown {strange[:3]}")
        arrays = {}
        for name, layout in self.layouts.items():
            array = np.asarray(state[name])
            if tuple(array.shape) != layout.native:
                raise BakeoffError(f"weights: {name} has shape {array.shape}, the model expects {layout.native}")
            arrays[layout.path] = layout.to_canonical(array)
        return self.graph.with_arrays(arrays)
