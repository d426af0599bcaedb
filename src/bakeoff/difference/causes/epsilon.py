"""The epsilon of a normalisation: 1e-5 in PyTorch, 1e-3 in Keras."""

from __future__ import annotations

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "net", ("net.*.epsilon",)
SAYS = "epsilon of the normalisation layers is {a} on one side and {b} on the other"
TORCH = "nn.BatchNorm2d(channels, eps={value})  # as of each other norm"
KERAS = "layers.BatchNormalization(epsilon={value})  # as of each other norm"


def guesses(a: Account) -> Guesses:
    for key, value in a.settings.items():
        if key.startswith("net.") and key.endswith(".epsilon"):
            yield from ({key: (other,) * len(value)} for other in (1e-3, 1e-5, 1e-6))
