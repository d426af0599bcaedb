"""What an average pool divides by at the border: PyTorch counts the padding, Keras doesn't."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakeoff.difference.account import Account

STAGE, KEYS = "net", ("net.avg_pool2d.count_include_pad", "net.avg_pool2d.divisor")
SAYS = "counting the padding in average pools is {a} on one side and {b} on the other"
FIX = {
    "torch": "nn.AvgPool2d(window, stride, padding, count_include_pad={value})",
    "keras": 'layers.AveragePooling2D(window, strides, padding="same") never counts it; pad before to count  # {value}',
}


def guesses(a: Account) -> Iterable[dict[str, Any]]:
    told = a.settings.get("net.avg_pool2d.count_include_pad", ())
    return [{"net.avg_pool2d.count_include_pad": tuple(not one for one in told)}] if told else []
