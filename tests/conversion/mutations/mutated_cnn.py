"""A convolutional net on which mutations of lowerings are tried: windows, norms, noise, ties, all of it small."""

from __future__ import annotations

from dataclasses import replace

from bakeoff.graph import Composer, Graph
from bakeoff.graph.graph import Penalty
from bakeoff.graph.initialize import glorot_uniform
from bakeoff.models import _start
from bakeoff.ops._dimension import Dim

SUMMARY = "for tests of mutations: conv, norm, pools, dropout, drop-path, gelu, L2"


def build(
    input_size: tuple[int, int] = (16, 16),
    channels: int = 1,
    classes: int | None = 10,
    seed: int = 0,
    free: bool = False,
) -> Graph:
    """Biases begin at zero, so that flat parts of a picture have ties; free: it takes images of any size."""
    net = _start.composer(input_size, channels, seed, glorot_uniform)
    if free:
        net = Composer((Dim("batch"), Dim("height"), Dim("width"), channels), seed, glorot_uniform)
    x = net.add("conv2d", "conv1", net.input, filters=6, kernel=(3, 3), pad=(1, 1, 1, 1))
    x = net.add("batch_norm", "norm1", x)
    x = net.add("max_pool2d", "pool1", x, window=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1))
    y = net.add("conv2d", "conv2", x, filters=6, kernel=(3, 3), pad=(1, 1, 1, 1))
    y = net.add("drop_path", "path", net.add("gelu", "gelu", y), rate=0.25)
    x = net.add("add", "sum", x, y)
    x = net.add("avg_pool2d", "pool2", x, window=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1))
    x = net.add("conv2d", "conv3", x, filters=8, kernel=(3, 3))
    x = net.add("dropout", "dropout", net.add("relu", "relu", x), rate=0.3)
    x = net.add("dense", "hidden", net.add("global_avg_pool", "mean", x), units=12)
    x = net.add("relu", "relu2", x)
    graph = net.finish(net.add("dense", "logits", x, units=_start.logits(classes, "mutated_cnn")))
    return replace(graph, penalties=(Penalty("conv2.kernel", l2=1e-3),))
