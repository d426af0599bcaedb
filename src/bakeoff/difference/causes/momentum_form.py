"""Whether SGD's memory has the rate in it: Keras's has, so that an old step keeps the rate that it was made with."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account
from bakeoff.difference.causes import differing
from bakeoff.difference.causes.optimizer import another

STAGE, WORLD, KEYS = "optimizer", "train", ("train.momentum_form",)
SAYS = "under another rate SGD's momentum is {a} on one side and {b} on the other"
TORCH = "torch.optim.SGD scales old steps by today's rate; no option  # {value}"
KERAS = "keras.optimizers.SGD keeps old steps as they were; no option  # {value}"


def suspect(a: Account, b: Account) -> Any:
    """Where there is momentum on both sides, in one optimizer."""
    both = a.settings.get("train.momentum") and b.settings.get("train.momentum") and not another(a, b)
    return differing(a, b, KEYS) if both else None
