"""How much weights decay: missing on one side, or twice as much (Keras's l2 adds l2 w^2, whose slope is 2 l2 w)."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account, same

STAGE, WORLD, KEYS = "optimizer", "train", ("train.decay",)
SAYS = "weight decay is {a} on one side and {b} on the other"
TORCH = "torch.optim.AdamW(model.parameters(), weight_decay={value})  # or SGD, Adam, where it is in the gradient"
KERAS = "keras.regularizers.L2({value} / 2) for decay in the gradient; AdamW(weight_decay={value}) beside it"


def suspect(a: Account, b: Account) -> dict[str, Any] | None:
    """Where the sizes differ; a side without any takes the other's form and scope along."""
    one, two = a.settings.get("train.decay"), b.settings.get("train.decay")
    if one is None or two is None or same(one, two):
        return None
    form = {key: b.settings[key] for key in ("train.decay_form", "train.decay_scope") if not one and b.sees(key)}
    return {"train.decay": two, **form}
