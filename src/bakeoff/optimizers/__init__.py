"""One page per optimizer: the formula, what each framework calls it, its traps, settings, truth and tolerance.

    chosen = page("adam")
    settings = chosen.Settings(weight_decay=0.01)
    optimizer = chosen.to_torch(torch, (Group(tuple(net.parameters())),), settings)
    set_rate(optimizer, 0.001)          # before each step, from the schedule
    optimizer.step()

The folder is the registry. What a page must hold stands in `_page.py`.
"""

from __future__ import annotations

from typing import Any

from bakeoff import registry
from bakeoff.optimizers._page import Group, set_rate

__all__ = ["Group", "names", "page", "set_rate"]


def names() -> tuple[str, ...]:
    """The optimizers that have a page."""
    return registry.names(__name__)


def page(name: str) -> Any:
    """The page of an optimizer.

    Raises:
        UsageError: there is no page of that name.
    """
    return registry.load(__name__, name, what="optimizer")
