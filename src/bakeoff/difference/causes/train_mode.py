"""A net that predicts as if it were trained: eval() is missing, or training=True was given."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "net", ("net.mode",)
ALONE = True
SAYS = "the net predicts in {a} mode on one side and in {b} mode on the other: statistics of the batch, dropout"
TORCH = "model.eval()  # before predicting; {value} mode is the other side's"
KERAS = "model(images, training=False)  # {value} mode is the other side's"


def guesses(a: Account) -> Guesses:
    small = a.graph is not None and a.graph.count() <= 2_000_000
    moves = a.graph is not None and any(node.keeps_state or node.draws for node in a.graph.nodes)
    return [{"net.mode": "train"}] if small and moves else []


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return a.settings.get("net.mode", "eval"), changes["net.mode"]
