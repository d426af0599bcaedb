"""The running variance of Keras's own batch norm, which is another than torch's: by how much, and that by no more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bakeoff.graph.graph import Graph
from bakeoff.ops._dimension import at
from bakeoff.parity import Trace, largest
from bakeoff.parity.tolerance import FLOAT64
from bakeoff.parity.trial import Trial
from bakeoff.schemas import Array, Check


def check(source: Trace, found: Mapping[str, Array], before: Mapping[str, Array], graph: Graph, trial: Trial) -> Check:
    """What the stock layer keeps after one pass, against its biased formula applied to the source's batch.

    Args:
        source: has what one training pass of the source left, which keeps v n / (n - 1): `first`.
        found: after the same pass of the stock net.
        before: the running variances that both began with.
    """
    where = dict(zip(("batch", "height", "width"), trial.steps[0][0].shape, strict=False))
    expected, has, apart, rounding = {}, {}, 0.0, 0.0
    for node in graph.nodes:
        if node.op != "batch_norm" or not node.keeps_state:  # its kind of variance is asked for
            continue
        path, m = str(node.parameters["variance"]), node.attributes.momentum
        if path not in found or path not in source.first:
            continue
        kept = source.first[path]
        batch = (kept - (1 - m) * before[path]) / m
        n = int(np.prod([at(size, **where) for size in graph.shapes[node.inputs[0]][:-1]]))
        biased = batch * (n - 1) / n if node.attributes.variance == "unbiased" else batch
        expected[path] = (1 - m) * before[path] + m * biased
        has[path] = found[path]
        rounding = max(rounding, float(np.finfo("float32").eps) / m)  # the layer takes its momentum through float32
        apart = max(apart, float(np.max(np.abs(kept - found[path]) / np.abs(kept))))
    difference, at_path = largest(has, expected)
    tolerance = max(FLOAT64, rounding)
    detail = (
        f"declared: Keras's own layer keeps the biased running variance, and so does the output: {apart:.1e} apart "
        f"after one batch of {trial.steps[0][0].shape[0]} (batch_norm='exact' keeps the source's); against its own "
        f"formula, largest at {at_path or 'none'}"
    )
    return Check("statistics.stock", difference, tolerance, difference <= tolerance, detail)
