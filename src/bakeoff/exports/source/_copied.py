"""Classes of Bakeoff's own, as text that stands without it."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from typing import Any


def copied(kinds: Iterable[Any], package: str = "") -> list[str]:
    """Their source and that of every function and class of ours that they need, in an order that runs."""
    found: dict[str, str] = {}
    for kind in kinds:
        _copy(kind, found)
    return [re.sub(r'package="bakeoff"', package, text) if package else text for text in found.values()]


def _copy(one: Any, found: dict[str, str]) -> None:
    text = inspect.getsource(one).rstrip()
    around = vars(sys.modules[one.__module__])
    found.setdefault(one.__name__, "")
    for word in dict.fromkeys(re.findall(r"\b[A-Za-z_]\w*\b", text)):
        other = around.get(word)
        ours = inspect.isfunction(other) or inspect.isclass(other) or hasattr(other, "__wrapped__")
        if ours and word not in found and str(getattr(other, "__module__", "")).startswith("bakeoff."):
            _copy(other, found)
    del found[one.__name__]
    found[one.__name__] = text
