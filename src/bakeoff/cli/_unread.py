"""Modules that Typer imports for texts in Markdown, which no help text here is: a third of the time of `--help`."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

NAME = "rich.markdown"


class Markdown:
    """Stands for `rich.markdown.Markdown`; the first one that is made is the real one."""

    def __new__(cls, *arguments: Any, **settings: Any) -> Any:
        return _real().Markdown(*arguments, **settings)


class _StandIn(ModuleType):
    Markdown = Markdown

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks
            raise AttributeError(name)
        return getattr(_real(), name)


def _real() -> ModuleType:
    if isinstance(sys.modules.get(NAME), _StandIn):
        del sys.modules[NAME]
    return importlib.import_module(NAME)


def leave_out() -> None:
    """Put off the import until a text in Markdown is made."""
    sys.modules.setdefault(NAME, _StandIn(NAME))
