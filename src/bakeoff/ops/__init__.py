"""One page per operator: what it means, how torch, Keras and ONNX say it, its traps, cases, tolerance and gaps.

The folder is the registry: `page("conv2d")` loads conv2d.py. What a page must hold stands in `_page.py`.
"""

from __future__ import annotations

from typing import Any

from bakeoff import registry
from bakeoff.ops._elementwise import Attributes, same_shape

SILENT = ("FROM_TORCH", "FROM_KERAS", "MUTATIONS", "FAULTS", "GAPS")  # tables that may be left out: then empty
USUAL = {  # and these
    "Attributes": Attributes,
    "LAYOUT": "elementwise",
    "shape": same_shape,
    "DRAWS": "",
    "PREDICTS": None,
    "keeps_state": lambda a: False,
}


def names() -> tuple[str, ...]:
    """The operators that have a page."""
    return registry.names(__name__)


def page(op: str) -> Any:
    """The page of an operator, with what it leaves out: empty tables, and what is usual.

    Raises:
        UsageError: there is no page of that name.
    """
    found = registry.load(__name__, op, what="operator")
    for table in SILENT:
        vars(found).setdefault(table, {})
    for name, usual in USUAL.items():
        vars(found).setdefault(name, usual)
    return found
