"""The multilayer perceptron of article 003."""

from __future__ import annotations

from bakeoff.graph import Graph
from bakeoff.graph.initialize import glorot_uniform
from bakeoff.models import _start

SUMMARY = "dense 128, relu, dropout 0.2, dense: 101,770 parameters on MNIST (article 003)"


def build(
    input_size: tuple[int, int] = (28, 28),
    channels: int = 1,
    classes: int | None = 10,
    seed: int = 0,
    units: int = 128,
    dropout: float = 0.2,
) -> Graph:
    """Dense 128, relu, dropout 0.2, dense.

    101,770 parameters at 28 x 28 x 1 and 10 classes. Source: "Official models and own data" (article 003), whose
    softmax is outside the net here: it gives logits. Start weights as Keras draws them.

    Args:
        input_size: (height, width).
        channels: of the images.
        classes: the number of logits.
        seed: of the start weights.
        units: of the hidden layer.
        dropout: the share of hidden units that is dropped in training.
    """
    net = _start.composer(input_size, channels, seed, glorot_uniform)
    x = net.add("flatten", "flatten", net.input)
    x = net.add("dense", "dense1", x, units=units)
    x = net.add("relu", "relu1", x)
    x = net.add("dropout", "dropout1", x, rate=dropout)
    return net.finish(net.add("dense", "dense2", x, units=_start.logits(classes, "mnist_mlp")))
