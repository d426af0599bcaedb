"""A net of tokens on which mutations of lowerings are tried: attention, layer norm, softmax, a maximum over places."""

from __future__ import annotations

import numpy as np

from bakeoff.graph import Graph
from bakeoff.graph.initialize import glorot_uniform
from bakeoff.models import _start
from bakeoff.ops._dimension import Dim

SUMMARY = "for tests of mutations: patches, attention, layer norm, softmax, maximum"


def build(input_size: tuple[int, int] = (16, 16), channels: int = 1, classes: int | None = 10, seed: int = 0) -> Graph:
    """Patches of 4 x 4; one attention with dropout; a gate over the places; the largest of each feature."""
    places = input_size[0] // 4 * (input_size[1] // 4)
    net = _start.composer(input_size, channels, seed, glorot_uniform)
    x = net.add("conv2d", "patches", net.input, filters=8, kernel=(4, 4), stride=(4, 4))
    x = net.add("reshape", "tokens", x, shape=(Dim("batch"), places, 8))
    y = net.add("layer_norm", "norm", x)
    q, k, v = (net.add("dense", name, y, units=8) for name in ("query", "key", "value"))
    y = net.add("attention", "attention", q, k, v, rate=0.2)
    x = net.add("add", "sum", x, net.add("dense", "out", y, units=8))
    gate = net.add("softmax", "gate", x, axis=1)
    x = net.add("mul", "gated", x, gate)
    left, right = (net.parameter(name, np.ones(8, "float32")) for name in ("left", "right"))  # equal at the start
    x = net.add("maximum", "maxout", net.add("mul", "times_left", x, left), net.add("mul", "times_right", x, right))
    x = net.add("reduce_max", "peak", x, axes=(1,))
    return net.finish(net.add("dense", "logits", x, units=_start.logits(classes, "mutated_tokens")))
