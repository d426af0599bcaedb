"""What an average pool divides by at the border: PyTorch counts the padding, Keras doesn't."""

from __future__ import annotations

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "net", ("net.avg_pool2d.count_include_pad", "net.avg_pool2d.divisor")
SAYS = "counting the padding in average pools is {a} on one side and {b} on the other"
TORCH = "nn.AvgPool2d(window, stride, padding, count_include_pad={value})"
KERAS = 'layers.AveragePooling2D(window, strides, padding="same") never counts it; pad before to count  # {value}'


def guesses(a: Account) -> Guesses:
    told = a.settings.get("net.avg_pool2d.count_include_pad", ())
    return [{"net.avg_pool2d.count_include_pad": tuple(not one for one in told)}] if told else []
