"""Normalised numbers that were stored as bytes: what lies between 0 and 1 becomes 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakeoff.difference.account import Account

STAGE, KEYS = "normalise", ("input.buffer",)
SAYS = "the input's buffer is {a} on one side and {b} on the other"
FIX = {
    "torch": "image.astype(np.float32)  # before it is normalised; never .astype(np.uint8) after; permute, not reshape",
    "keras": "image.astype(np.float32)  # before it is normalised; np.transpose, not np.reshape, moves channels",
}


def guesses(a: Account) -> Iterable[dict[str, Any]]:
    return [{"input.buffer": "truncated"}, {"input.buffer": "reshaped"}]
