"""The epsilon of Adam and its kin: 1e-8 in PyTorch, 1e-7 in Keras, which adds it before the correction of the mean."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account
from bakeoff.difference.causes import differing
from bakeoff.difference.causes.optimizer import another

STAGE, WORLD, KEYS = (
    "optimizer",
    "train",
    (
        "train.epsilon",
        "train.epsilon_form",
    ),
)
SAYS = "the optimizer's epsilon is {a} on one side and {b} on the other"
TORCH = "torch.optim.Adam(model.parameters(), eps=1e-8)  # {value}"
KERAS = "keras.optimizers.Adam(epsilon=1e-7)  # {value}"


def suspect(a: Account, b: Account) -> Any:
    """Of one optimizer: another one has its own."""
    return None if another(a, b) else differing(a, b, KEYS)
