"""The share that dropout drops: another one, the share that is kept in its place, or no dropout on one side."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account, said
from bakeoff.difference.causes import differing
from bakeoff.difference.nets import WHOLE, alike

STAGE, WORLD, KEYS = "net", "train", ("net.dropout.rate", "net.dropout.shared")
SAYS = "dropout drops a share of {a} on one side and {b} on the other"
TORCH = "nn.Dropout(p={value})  # the share that is dropped"
KERAS = "layers.Dropout(rate={value})  # the share that is dropped"


def suspect(a: Account, b: Account) -> Any:
    """Other rates; or the other's net, where it differs in its dropout alone."""
    one, two = (x.settings.get("net.dropout.rate", ()) for x in (a, b))
    if len(one) == len(two):
        return differing(a, b, KEYS)
    both = a.graph is not None and b.graph is not None and alike(a.graph, b.graph)
    return {WHOLE: b.graph} if both else None


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return tuple(said(x.settings.get("net.dropout.rate", (0.0,))) for x in (a, b))  # type: ignore[return-value]
