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
    """A file that holds a net as it predicts has frozen its statistics: in training they aren't."""
    if a.graph is None or a.graph.count() > 2_000_000:
        return []
    told = {"net.mode": "train"}
    frozen = a.settings.get("net.batch_norm.statistics", ())
    if "frozen" in frozen:
        return [{**told, "net.batch_norm.statistics": ("batch",) * len(frozen)}]
    return [told] if any(node.keeps_state or node.draws for node in a.graph.nodes) else []


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return a.settings.get("net.mode", "eval"), changes["net.mode"]
