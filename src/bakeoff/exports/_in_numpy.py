"""A source in NumPy: in float64 as the truth that artefacts are held to, in float32 with sums in the slowest order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bakeoff.graph.graph import Graph
from bakeoff.graph.interpreter import trace
from bakeoff.parity.tolerance import LOGITS
from bakeoff.precision import ROUNDOFF
from bakeoff.schemas import Array

LONG = (LOGITS / ROUNDOFF["float32"]) ** 2
"""Terms of a sum whose rounding errors, one after the other, come to the tolerance of logits: sqrt(terms) x roundoff.

N. Higham and T. Mary 2019, SIAM J. Sci. Comput. 41, A2815, theorem 2.4. What longer sums come to is tried.
"""


class InNumpy:
    """A runtime in which no library of any artefact has a hand.

    Args:
        graph: gives logits, and more.
        dtype: of numbers.
        instead: {operator: function} of pages whose truth is computed otherwise.
    """

    name, metadata = "numpy", dict[str, str]()

    def __init__(
        self, graph: Graph, dtype: str = "float64", instead: Mapping[str, Callable[..., Any]] | None = None
    ) -> None:
        self.graph, self.dtype, self.instead = graph.astype(dtype), dtype, instead or {}

    def predict(self, images: Array) -> Array:
        """Logits, (N, n)."""
        return self.values(images)[0]

    def values(self, images: Array) -> list[Array]:
        """All outputs."""
        found = trace(self.graph, images.astype(self.dtype), instead=self.instead)
        return [found[ref] for ref in self.graph.outputs.values()]


def long_sums(graph: Graph) -> bool:
    """Whether a dense layer has sums of more than LONG terms, as one behind a flattened map of a large image."""
    kernels = (node.parameters.get("kernel") for node in graph.nodes if node.op == "dense")
    return any(isinstance(path, str) and len(graph.parameters[path].array) > LONG for path in kernels)


def in_turn(graph: Graph) -> InNumpy:
    """The net in float32, the sums of its dense layers one term after the other, as LiteRT takes them."""
    return InNumpy(graph, "float32", {"dense": _dense})


def _dense(_: Any, __: Any, x: Array, *, kernel: Array, bias: Array | None = None) -> Array:
    found = np.zeros((*x.shape[:-1], kernel.shape[1]), x.dtype)
    for place, row in enumerate(kernel):
        found += x[..., place, None] * row
    return found if bias is None else found + bias
