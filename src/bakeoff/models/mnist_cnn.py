"""The convolutional net of article 002 as its PyTorch side has it."""

from __future__ import annotations

from typing import Literal

from bakeoff.graph import Graph
from bakeoff.models import _start

SUMMARY = (
    "two times conv 4 (3 x 3), batch norm, relu, max pool; linear: 2,174 parameters on MNIST (article 002, PyTorch)"
)


def build(
    input_size: tuple[int, int] = (28, 28),
    channels: int = 1,
    classes: int | None = 10,
    seed: int = 0,
    padding: Literal["same", "valid"] = "same",
    batch_norm: bool = True,
    start: Literal["torch", "keras"] = "torch",
) -> Graph:
    """Two blocks of conv 4 (3 x 3, pad 1), batch norm, relu and max pool 2, then a linear layer.

    2,174 parameters at 28 x 28 x 1 and 10 classes. Source: "Train a classifier in PyTorch and in TensorFlow" (article
    002), PyTorch variant; batch norm with torch's defaults (epsilon 1e-5, momentum 0.1, unbiased running variance),
    start weights as torch draws them.

    Args:
        input_size: (height, width), at least 4 x 4.
        channels: of the images.
        classes: the number of logits.
        seed: of the start weights.
        padding, batch_norm, start: what the article's TensorFlow side has otherwise (`valid`, false, `keras`: start
            weights as Keras draws them), each by itself.

    Raises:
        UsageError: another `padding` or `start`.
    """
    pads = _start.one_of("mnist_cnn", "padding", padding, {"same": (1, 1, 1, 1), "valid": (0, 0, 0, 0)})
    drawn = _start.one_of("mnist_cnn", "start", start, _start.STARTS)
    net = _start.composer(input_size, channels, seed, drawn)
    x = net.input
    for block in ("1", "2"):
        x = net.add("conv2d", f"conv{block}", x, filters=4, kernel=(3, 3), pad=pads)
        x = net.add("batch_norm", f"bn{block}", x) if batch_norm else x
        x = net.add("relu", f"relu{block}", x)
        x = net.add("max_pool2d", f"pool{block}", x, window=(2, 2), stride=(2, 2))
    x = net.add("flatten", "flatten", x)
    return net.finish(net.add("dense", "linear", x, units=_start.logits(classes, "mnist_cnn")))
