"""Another net: other layers, or layers of another width."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bakeoff.difference.account import Account
from bakeoff.difference.nets import WHOLE, alike

STAGE, KEYS = "net", (WHOLE,)
SAYS = "the nets are built otherwise: {a} on one side and {b} on the other"
TORCH = "nn.Sequential(...)  # {value}"
KERAS = "keras.Sequential([...])  # {value}"


def suspect(a: Account, b: Account) -> dict[str, Any] | None:
    if a.graph is None or b.graph is None or alike(a.graph, b.graph):
        return None
    return {WHOLE: b.graph}


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return _said(a, b), _said(b, a)


def _said(one: Account, other: Account) -> str:
    """Parameters, and the operators that it has more of than the other."""
    assert one.graph is not None
    mine, theirs = (Counter[str](each.settings["net.operators"]) for each in (one, other))
    more = ", ".join(f"{count} {op}" for op, count in (mine - theirs).items())
    return f"{one.graph.count():,} parameters{f' with {more} more' if more else ''}"
