"""The learning rate, given or an optimizer's default: SGD 1e-3 in PyTorch and 0.01 in Keras, RMSprop 0.01 and 1e-3."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account
from bakeoff.difference.causes import differing
from bakeoff.difference.causes.optimizer import another

STAGE, WORLD, KEYS = "optimizer", "train", ("train.rate",)
SAYS = "the learning rate is {a} on one side and {b} on the other"
TORCH = "optimizer = torch.optim.Adam(model.parameters(), lr={value})  # or the optimizer that is used"
KERAS = "optimizer = keras.optimizers.Adam(learning_rate={value})  # or the optimizer that is used"


def suspect(a: Account, b: Account) -> Any:
    """Of one optimizer: another one has its own."""
    return None if another(a, b) else differing(a, b, KEYS)
