"""Where a training stands: one plain value at every step boundary."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class State:
    """Counts from 0.

    Attributes:
        epoch: of the phase.
        batch: batches of the epoch that are done.
        step: optimizer steps of the phase that are done (the schedule's position).
        best_epoch: the epoch with the best validation accuracy so far.
        best_accuracy: that accuracy.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_epoch: int | None = None
    best_accuracy: float = -1.0

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)
