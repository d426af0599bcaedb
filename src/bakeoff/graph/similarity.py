"""How near an image is to what a classifier was trained on: the cosine of its features to the nearest class mean.

The features are what the last layer, the head, decides by. What the logits alone tell (their largest, their energy) is
how sure the net is among its classes, which it may be of anything: see `docs/how-to/predict.md` for what was measured.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bakeoff.graph.graph import Graph, Ref
from bakeoff.graph.passes import append, prune
from bakeoff.ops._dimension import Dim
from bakeoff.schemas import Array

PREFIX = "bakeoff_similarity"


def features_of(graph: Graph) -> Graph | None:
    """What the head of a classifier gets, (batch, n), as a net of its own; None where no dense layer ends it."""
    last = graph.node(graph.output.node) if graph.output.node not in graph.inputs else None
    if last is None or last.op != "dense" or last.inputs[0].node in graph.inputs:
        return None
    shape = graph.shapes[last.inputs[0]]
    if len(shape) != 2 or isinstance(shape[1], Dim):
        return None
    return prune(replace(graph, outputs={"features": last.inputs[0]}))


def joined(graph: Graph, means: Array) -> Graph:
    """The net with its similarity as one number more: (batch, logits + 1).

    One output, so that whatever runs graphs runs this; `runtimes.Similar` takes it apart.

    Args:
        graph: a classifier that `features_of` has features of.
        means: of the features of each class, float, (classes, n), each of length 1.
    """
    head = graph.node(graph.output.node)
    kernel = np.ascontiguousarray(means.T, graph.dtype)
    found = append(graph, "l2_normalize", f"{PREFIX}_unit", head.inputs[0])
    found = append(
        found, "dense", PREFIX, Ref(f"{PREFIX}_unit"), weights={"kernel": kernel}, units=len(means), bias=False
    )
    found = append(found, "reduce_max", f"{PREFIX}_nearest", Ref(PREFIX), axes=(1,), keepdims=True)
    found = append(found, "concat", f"{PREFIX}_joined", graph.output, Ref(f"{PREFIX}_nearest"), axis=1)
    return replace(found, outputs={"joined": Ref(f"{PREFIX}_joined")})
