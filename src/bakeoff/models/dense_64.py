"""The smallest net of article 001."""

from __future__ import annotations

from bakeoff.graph import Graph
from bakeoff.graph.initialize import glorot_uniform
from bakeoff.models import _start

SUMMARY = "dense 64, relu, dense: 50,890 parameters on MNIST (article 001)"


def build(
    input_size: tuple[int, int] = (28, 28), channels: int = 1, classes: int | None = 10, seed: int = 0, units: int = 64
) -> Graph:
    """Dense 64, relu, dense.

    50,890 parameters at 28 x 28 x 1 and 10 classes. Source: "Duel in image recognition" (article 001), its first
    Sequential, whose softmax is outside the net here: it gives logits. Start weights as Keras draws them.

    Args:
        input_size: (height, width).
        channels: of the images.
        classes: the number of logits.
        seed: of the start weights.
        units: of the hidden layer.
    """
    net = _start.composer(input_size, channels, seed, glorot_uniform)
    x = net.add("flatten", "flatten", net.input)
    x = net.add("dense", "dense1", x, units=units)
    x = net.add("relu", "relu1", x)
    return net.finish(net.add("dense", "dense2", x, units=_start.logits(classes, "dense_64")))
