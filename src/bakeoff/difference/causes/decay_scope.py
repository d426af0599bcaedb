"""What decays: all weights, or kernels without biases, gamma and beta."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account
from bakeoff.difference.causes import differing

STAGE, WORLD, KEYS = "optimizer", "train", ("train.decay_scope",)
SAYS = "weight decay is for {a} on one side and {b} on the other"
TORCH = '[{"params": kernels, "weight_decay": d}, {"params": rest, "weight_decay": 0.0}]  # {value}'
KERAS = 'optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])  # {value}'


def suspect(a: Account, b: Account) -> Any:
    return differing(a, b, KEYS) if a.settings.get("train.decay") and b.settings.get("train.decay") else None
