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

NAME = "similarity"
NODES = f"bakeoff.{NAME}"  # a name that no net has


def features_of(graph: Graph) -> Graph | None:
    """What the head of a classifier gets, (batch, n), as a net of its own; None where no dense layer ends it."""
    last = graph.node(graph.output.node) if graph.output.node not in graph.inputs else None
    if last is None or last.op != "dense" or last.inputs[0].node in graph.inputs:
        return None
    shape = graph.shapes[last.inputs[0]]
    if len(shape) != 2 or isinstance(shape[1], Dim):
        return None
    return prune(replace(graph, outputs={"features": last.inputs[0]}))


def with_similarity(graph: Graph, means: Array) -> Graph:
    """The net with its similarity as its last output, (batch, 1).

    Args:
        graph: a classifier that `features_of` has features of.
        means: of the features of each class, float, (classes, n), each of length 1.
    """
    head, unit = graph.node(graph.output.node), f"{NODES}.unit"
    found = append(graph, "l2_normalize", unit, head.inputs[0])
    weights = {"kernel": np.ascontiguousarray(means.T, graph.dtype)}
    found = append(found, "dense", f"{NODES}.classes", Ref(unit), weights=weights, units=len(means), bias=False)
    found = append(found, "reduce_max", f"{NODES}.nearest", Ref(f"{NODES}.classes"), axes=(1,), keepdims=True)
    return replace(found, outputs={**graph.outputs, NAME: Ref(f"{NODES}.nearest")})
