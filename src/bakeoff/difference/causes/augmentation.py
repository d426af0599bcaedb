"""How training images are varied by chance: not at all on one side, or by numbers that mean something else."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account

STAGE, WORLD, KEYS = "data", "train", ("train.augment",)
SAYS = "training images are varied by {a} on one side and {b} on the other"
TORCH = "transforms.Compose([...])  # {value}; RandomRotation takes degrees"
KERAS = "keras.Sequential([...])  # {value}; RandomRotation takes shares of a turn, RandomFlip flips both ways"


def suspect(a: Account, b: Account) -> dict[str, Any] | None:
    """Where the calls differ; the switch brings the other's images along."""
    one, two = (x.settings.get("train.augment") for x in (a, b))
    differs = one is not None and two is not None and sorted(one) != sorted(two)
    return {"train.augment": two, "train.record": b.record} if differs else None
