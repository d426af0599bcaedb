"""The order of training images: shuffled on one side alone, batches shuffled instead of images, or a small buffer."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account

STAGE, WORLD, KEYS = "data", "train", ("train.shuffle", "train.buffer")
SAYS = "what is shuffled is {a} on one side and {b} on the other"
TORCH = "DataLoader(data, shuffle=True)  # {value}"
KERAS = "dataset.shuffle(len(data)).batch(size)  # {value}: in this order, and a buffer of all images"


def suspect(a: Account, b: Account) -> dict[str, Any] | None:
    """Where the two differ; the switch brings the other's images along, in their order."""
    ways = [(x.settings.get("train.shuffle"), x.settings.get("train.buffer")) for x in (a, b)]
    if None in (ways[0][0], ways[1][0]) or ways[0] == ways[1]:
        return None
    return {"train.shuffle": ways[1][0], "train.record": b.record}


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return _said(a), _said(b)


def _said(one: Account) -> str:
    buffer = one.settings.get("train.buffer")
    return f"{one.settings.get('train.shuffle')}{f' in a buffer of {buffer}' if buffer else ''}"
