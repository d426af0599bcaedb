"""Weights under which a mistake shows: a fresh net has scales of 1, offsets of 0 and layer scales of 1e-6, and who
forgets them would go unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff.graph.graph import Graph
from bakeoff.schemas import Array
from bakeoff.seeds import rng

FLAT = 1e-12  # a weight whose numbers are all the same tells nothing of their order
SHAKEN = 0.05


def revealing(graph: Graph, arrays: Mapping[str, Array], seed: int = 0) -> dict[str, Array]:
    """The weights that are all alike, shaken; only those."""
    changed = {}
    for path, array in arrays.items():
        known = graph.parameters.get(path)
        if known is None or known.role != "weight" or not np.issubdtype(array.dtype, np.floating) or not array.size:
            continue
        if float(np.ptp(array)) > FLAT * max(1.0, float(np.abs(array).max())):
            continue
        draw, value = rng(seed, "telling", record=path), float(array.flat[0])
        if value == 0:
            new = draw.normal(0, SHAKEN, array.shape)
        elif abs(value) < SHAKEN:
            new = draw.uniform(0.1, 0.4, array.shape)
        else:
            new = value * draw.uniform(0.7, 1.3, array.shape)
        changed[path] = new.astype(array.dtype)
    return changed


def calibrated(net: Any, graph: Graph, images: Array, seed: int = 0) -> dict[str, Array]:
    """Running statistics of these images, then moved a little, so that mean and variance both count.

    The batch's own statistics are worked out from what one training pass makes of the running ones:
    new = (1 - m) old + m batch. They are put into the net.
    """
    norms = [node for node in graph.nodes if node.op == "batch_norm" and node.keeps_state]  # its momentum is asked for
    if not norms:
        return {}
    before = net.arrays()
    net.logits(images, train=True)
    after = net.arrays()
    state: dict[str, Array] = {}
    for node in norms:
        m = node.attributes.momentum
        mean, variance = str(node.parameters["mean"]), str(node.parameters["variance"])
        batch = {path: (after[path] - (1 - m) * before[path]) / m for path in (mean, variance)}
        spread = np.maximum(batch[variance], 0.0)
        draw = rng(seed, "calibrated", record=mean)
        state[mean] = batch[mean] + 0.1 * np.sqrt(spread) * draw.normal(size=spread.shape)
        state[variance] = (spread + 0.1 * spread.mean() + 1e-3) * draw.uniform(0.8, 1.25, spread.shape)
    net.load(state)
    return state
