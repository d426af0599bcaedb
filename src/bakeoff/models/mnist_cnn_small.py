"""The convolutional net of article 002 as its TensorFlow side has it."""

from __future__ import annotations

from bakeoff.graph import Graph
from bakeoff.graph.initialize import glorot_uniform
from bakeoff.models import _start

SUMMARY = "two times conv 4 (3 x 3, valid), relu, max pool; dense: 1,198 parameters on MNIST (article 002, TensorFlow)"


def build(input_size: tuple[int, int] = (28, 28), channels: int = 1, classes: int | None = 10, seed: int = 0) -> Graph:
    """Two blocks of conv 4 (3 x 3, no padding), relu and max pool 2, then a dense layer.

    1,198 parameters at 28 x 28 x 1 and 10 classes. Source: "Train a classifier in PyTorch and in TensorFlow" (article
    002), TensorFlow variant, whose softmax is outside the net here: it gives logits. Start weights as Keras draws them.

    Args:
        input_size: (height, width), at least 10 x 10.
        channels: of the images.
        classes: the number of logits.
        seed: of the start weights.
    """
    net = _start.composer(input_size, channels, seed, glorot_uniform)
    x = net.input
    for block in ("1", "2"):
        x = net.add("conv2d", f"conv{block}", x, filters=4, kernel=(3, 3))
        x = net.add("relu", f"relu{block}", x)
        x = net.add("max_pool2d", f"pool{block}", x, window=(2, 2), stride=(2, 2))
    x = net.add("flatten", "flatten", x)
    return net.finish(net.add("dense", "dense", x, units=_start.logits(classes, "mnist_cnn_small")))
