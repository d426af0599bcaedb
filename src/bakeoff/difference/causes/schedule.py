"""How the learning rate moves: by another schedule, or once a step on one side and once an epoch on the other."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account, same

STAGE, WORLD, KEYS = "schedule", "train", ("train.factors", "train.schedule")
SAYS = "the learning rate is {a} on one side and {b} on the other"
TORCH = "scheduler.step()  # after every epoch, or every optimizer.step() if it counts steps: {value}"
KERAS = "keras.optimizers.schedules count steps: steps_per_epoch * epochs, not epochs  # {value}"


def suspect(a: Account, b: Account) -> dict[str, Any] | None:
    """Where the factors of the recorded steps differ; as many steps as both have."""
    one, two = (x.settings.get("train.factors") for x in (a, b))
    if not one or not two:
        return None
    most = min(len(one), len(two))
    return None if same(one[:most], two[:most]) else {"train.factors": two}


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return _said(a), _said(b)


def _said(one: Account) -> str:
    factors, name = one.settings.get("train.factors", ()), one.settings.get("train.schedule")
    ends = " to ".join(f"{factor:.3g}" for factor in dict.fromkeys((factors[0], factors[-1])))
    return f"constant in {len(factors)} steps" if ends == "1" else f"{ends} times its start ({name or 'by hand'})"
