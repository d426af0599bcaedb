"""A net for digits that is small and right: 99.2 % on MNIST in six epochs."""

from __future__ import annotations

from bakeoff.graph import Graph
from bakeoff.graph.initialize import glorot_uniform
from bakeoff.models import _start

SUMMARY = (
    "conv 16, pool, two conv 32, pool, conv 64 (batch norm, relu each), mean over places: 33,338 parameters on MNIST"
)


def build(input_size: tuple[int, int] = (28, 28), channels: int = 1, classes: int | None = 10, seed: int = 0) -> Graph:
    """Four convolutions of 3 x 3 with batch norm and relu, max pool 2 behind the first and the third, linear.

    33,338 parameters at 28 x 28 x 1 and 10 classes. What costs is spent where it pays: 16 filters at the full size,
    most weights at a quarter of it. The mean over all places stands in for a flatten, whose linear layer would have
    half as many weights again.

    Args:
        input_size: (height, width), at least 12 x 12.
        channels: of the images.
        classes: the number of logits.
        seed: of the start weights.
    """
    net = _start.composer(input_size, channels, seed, glorot_uniform)
    x = net.input
    for block, filters, pad in (("1", 16, 1), ("2", 32, 1), ("3", 32, 1), ("4", 64, 0)):
        x = net.add("conv2d", f"conv{block}", x, filters=filters, kernel=(3, 3), pad=(pad,) * 4, bias=False)
        x = net.add("batch_norm", f"bn{block}", x)
        x = net.add("relu", f"relu{block}", x)
        if block in ("1", "3"):
            x = net.add("max_pool2d", f"pool{block}", x, window=(2, 2), stride=(2, 2))
    x = net.add("global_avg_pool", "mean", x)
    return net.finish(net.add("dense", "linear", x, units=_start.logits(classes, "mnist_99")))
