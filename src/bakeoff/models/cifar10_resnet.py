"""A residual net for small images of things, sized for a processor."""

from __future__ import annotations

from bakeoff.graph import Graph, Ref
from bakeoff.graph.compose import Composer
from bakeoff.graph.initialize import glorot_uniform
from bakeoff.models import _start

SUMMARY = "conv 32, then 64, 128 and 256 filters behind a pooling each, two residual blocks: 0.6 million weights"


def build(
    input_size: tuple[int, int] = (32, 32),
    channels: int = 3,
    classes: int | None = 10,
    seed: int = 0,
    width: int = 32,
) -> Graph:
    """Conv w; three times max pool 2 and conv 2w, 4w, 8w, a residual block behind the first two; mean, linear.

    Each convolution (3 x 3) has batch norm and relu. A residual block adds one convolution's result to what went into
    it. In the manner of D. Page's ResNet-9 ("How to train your ResNet", 2018) and K. Jordan's airbench (2024,
    arXiv:2404.00498), with the full size left after one thin convolution: at 32 pixels 34 million multiply-adds.

    Args:
        input_size: (height, width), at least 8 x 8.
        channels: of the images.
        classes: the number of logits.
        seed: of the start weights.
        width: w, the filters of the first convolution.
    """
    net = _start.composer(input_size, channels, seed, glorot_uniform)
    x = _convolution(net, "stem", net.input, width)
    for stage, factor in ((1, 2), (2, 4), (3, 8)):
        x = net.add("max_pool2d", f"pool{stage}", x, window=(2, 2), stride=(2, 2))
        x = _convolution(net, f"stage{stage}", x, factor * width)
        if stage < 3:
            x = net.add("add", f"add{stage}", x, _convolution(net, f"block{stage}", x, factor * width))
    x = net.add("global_avg_pool", "mean", x)
    return net.finish(net.add("dense", "linear", x, units=_start.logits(classes, "cifar10_resnet")))


def _convolution(net: Composer, name: str, x: Ref, filters: int) -> Ref:
    x = net.add("conv2d", f"{name}.conv", x, filters=filters, kernel=(3, 3), pad=(1, 1, 1, 1), bias=False)
    x = net.add("batch_norm", f"{name}.bn", x)
    return net.add("relu", f"{name}.relu", x)
