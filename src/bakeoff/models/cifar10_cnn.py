"""The convolutional net of article 001."""

from __future__ import annotations

from typing import Literal

from bakeoff.graph import Graph
from bakeoff.models import _start

SUMMARY = "conv 32, pool, conv 64, pool, conv 64, dense 64, dense: 122,570 parameters on CIFAR-10 (article 001)"


def build(
    input_size: tuple[int, int] = (32, 32),
    channels: int = 3,
    classes: int | None = 10,
    seed: int = 0,
    start: Literal["torch", "keras"] = "keras",
) -> Graph:
    """Conv 32, pool 2, conv 64, pool 2, conv 64 (3 x 3, no padding, relu each), dense 64 relu, dense.

    122,570 parameters at 32 x 32 x 3 and 10 classes. Source: "Duel in image recognition" (article 001). Start weights
    as Keras draws them.

    Args:
        input_size: (height, width), at least 18 x 18.
        channels: of the images.
        classes: the number of logits.
        seed: of the start weights.
        start: whose way to draw them, `torch` or `keras`.
    """
    net = _start.composer(input_size, channels, seed, _start.one_of("cifar10_cnn", "start", start, _start.STARTS))
    x = net.input
    for block, filters in (("1", 32), ("2", 64), ("3", 64)):
        x = net.add("conv2d", f"conv{block}", x, filters=filters, kernel=(3, 3))
        x = net.add("relu", f"relu{block}", x)
        if block != "3":
            x = net.add("max_pool2d", f"pool{block}", x, window=(2, 2), stride=(2, 2))
    x = net.add("flatten", "flatten", x)
    x = net.add("dense", "dense1", x, units=64)
    x = net.add("relu", "relu4", x)
    return net.finish(net.add("dense", "dense2", x, units=_start.logits(classes, "cifar10_cnn")))
