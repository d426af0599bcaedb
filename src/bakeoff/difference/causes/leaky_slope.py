"""The slope of a leaky ReLU: 0.01 in PyTorch, 0.3 in Keras's layer, 0.2 in its function."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakeoff.difference.account import Account

STAGE, KEYS = "net", ("net.leaky_relu.*", "net.elu.*", "net.celu.*")
SAYS = "the activation's slope is {a} on one side and {b} on the other"
FIX = {
    "torch": "nn.LeakyReLU(negative_slope={value})",
    "keras": "layers.LeakyReLU(negative_slope={value})",
}


def guesses(a: Account) -> Iterable[dict[str, Any]]:
    for key in [key for key in a.settings if key.startswith("net.leaky_relu.")]:
        yield from ({key: (slope,) * len(a.settings[key])} for slope in (0.01, 0.2, 0.3))
