"""Where weight decay acts: in the gradient (PyTorch's Adam, SGD), or on the weights (AdamW, every Keras optimizer)."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account
from bakeoff.difference.causes import differing

STAGE, WORLD, KEYS = "optimizer", "train", ("train.decay_form",)
SAYS = "weight decay is {a} on one side and {b} on the other"
TORCH = "torch.optim.AdamW decouples, torch.optim.Adam(weight_decay=...) couples  # {value}"
KERAS = "optimizer weight_decay decouples, kernel_regularizer=L2(decay / 2) couples  # {value}"


def suspect(a: Account, b: Account) -> Any:
    return differing(a, b, KEYS) if a.settings.get("train.decay") and b.settings.get("train.decay") else None
