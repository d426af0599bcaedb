"""A softmax on what a softmax gave: the net has one, and whoever asks it applies another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakeoff.difference.account import Account

STAGE, KEYS = "output", ("output.softmax",)
SAYS = "answers go through {a} softmax before the last on one side and {b} on the other"
FIX = {
    "torch": "logits = model(x)  # no nn.Softmax in the net, one softmax(dim=1) on its logits",
    "keras": "layers.Dense(classes)  # without activation='softmax' where a softmax follows",
}


def guesses(a: Account) -> Iterable[dict[str, Any]]:
    return [{"output.softmax": a.settings.get("output.softmax", 0) + 1}]
