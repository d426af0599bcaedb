"""The slope of a leaky ReLU: 0.01 in PyTorch, 0.3 in Keras's layer, 0.2 in its function."""

from __future__ import annotations

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "net", ("net.leaky_relu.*", "net.elu.*", "net.celu.*")
SAYS = "the activation's slope is {a} on one side and {b} on the other"
TORCH = "nn.LeakyReLU(negative_slope={value})"
KERAS = "layers.LeakyReLU(negative_slope={value})"


def guesses(a: Account) -> Guesses:
    for key in [key for key in a.settings if key.startswith("net.leaky_relu.")]:
        yield from ({key: (slope,) * len(a.settings[key])} for slope in (0.01, 0.2, 0.3))
