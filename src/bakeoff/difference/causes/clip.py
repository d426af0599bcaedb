"""Gradients that are cut down: their norm all together, the norm of each array, or each number."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account
from bakeoff.difference.causes import differing

STAGE, WORLD, KEYS = "optimizer", "train", ("train.clip", "train.clip_form")
SAYS = "gradients are clipped to {a} on one side and {b} on the other (0: not at all)"
TORCH = "torch.nn.utils.clip_grad_norm_(model.parameters(), norm)  # {value}; clip_grad_value_ cuts each number"
KERAS = "keras.optimizers.Adam(global_clipnorm=norm)  # {value}; clipnorm is of each array, clipvalue of each number"


def suspect(a: Account, b: Account) -> Any:
    """A form without a size is none."""
    found = differing(a, b, KEYS)
    if found and "train.clip" not in found and not a.settings.get("train.clip"):
        return None
    return found and {key: b.settings[key] for key in KEYS if b.sees(key)}
