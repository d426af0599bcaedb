"""All loggers of a run as one; a logger that fails is named once and left alone, and the training goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


class Loggers:
    """Hands every call on to each.

    Args:
        found: pairs of a name and an object with the methods of `bakeoff.training.loggers.Logger`.
        log: takes a line for a person.
    """

    def __init__(self, found: Iterable[tuple[str, Any]] = (), log: Callable[[str], None] | None = None) -> None:
        self._found, self._log = dict(found), log

    def __bool__(self) -> bool:
        return bool(self._found)

    def tell(self, what: str, *arguments: Any) -> None:
        """Call the method of that name of every logger that still works."""
        for name, one in list(self._found.items()):
            try:
                getattr(one, what)(*arguments)
            except Exception as error:  # a full disk, a server that went away: the run itself is not touched by it
                del self._found[name]
                if self._log:
                    self._log(f"{name}: {type(error).__name__}: {str(error)[:200]}. Logged there no more.")
