"""The 224-pixel net of article 000."""

from __future__ import annotations

from typing import Literal

from bakeoff.graph import Graph
from bakeoff.models import _start

SUMMARY = "conv 32, pool, dropout, dense 128, dropout, dense: 50,469,130 parameters at 224 pixels (article 000)"


def build(
    input_size: tuple[int, int] = (224, 224),
    channels: int = 3,
    classes: int | None = 10,
    seed: int = 0,
    units: int = 128,
    dropout: float = 0.25,
    head_dropout: float = 0.5,
    start: Literal["torch", "keras"] = "keras",
) -> Graph:
    """Conv 32 (3 x 3, no padding) relu, max pool 2, dropout 0.25, dense 128 relu, dropout 0.5, dense.

    50,469,130 parameters at 224 x 224 x 3 and 10 classes, nearly all of them in the first dense layer. Source:
    "TensorFlow against PyTorch for transfer learning" (article 000), whose softmax is outside the net here: it gives
    logits. Start weights as Keras draws them.

    Args:
        input_size: (height, width), at least 4 x 4.
        channels: of the images.
        classes: the number of logits.
        seed: of the start weights.
        units: of the hidden dense layer.
        dropout: the share dropped behind the pooling, in training.
        head_dropout: the share dropped before the last layer, in training.
        start: whose way to draw the start weights, `torch` or `keras`.
    """
    net = _start.composer(input_size, channels, seed, _start.one_of("cnn_224", "start", start, _start.STARTS))
    x = net.add("conv2d", "conv1", net.input, filters=32, kernel=(3, 3))
    x = net.add("relu", "relu1", x)
    x = net.add("max_pool2d", "pool1", x, window=(2, 2), stride=(2, 2))
    x = net.add("dropout", "dropout1", x, rate=dropout)
    x = net.add("flatten", "flatten", x)
    x = net.add("dense", "dense1", x, units=units)
    x = net.add("relu", "relu2", x)
    x = net.add("dropout", "dropout2", x, rate=head_dropout)
    return net.finish(net.add("dense", "dense2", x, units=_start.logits(classes, "cnn_224")))
