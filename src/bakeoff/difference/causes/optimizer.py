"""The optimizer and its memory: SGD, Adam, RMSprop; momentum, betas. Another optimizer comes with its own rate."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.causes import Account, differing, differs

STAGE, WORLD = "optimizer", "train"
OWN = ("train.optimizer", "train.momentum", "train.nesterov", "train.beta1", "train.beta2")
KEYS = (*OWN, "train.rate", "train.epsilon", "train.epsilon_form", "train.momentum_form")
SAYS = "the optimizer is {a} on one side and {b} on the other"
TORCH = "torch.optim.Adam(model.parameters(), betas=(beta1, beta2))  # {value}; SGD has momentum, RMSprop alpha"
KERAS = "keras.optimizers.Adam(beta_1=..., beta_2=...)  # {value}; SGD has momentum, RMSprop rho"


def suspect(a: Account, b: Account) -> Any:
    """What differs of it; a rate means something else in another optimizer, so that it goes along."""
    return differing(a, b, KEYS if differs(a, b, "train.optimizer") else OWN)
