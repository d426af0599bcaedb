"""Where a training stands: one plain value at every step boundary."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class State:
    """Counts from 0.

    Attributes:
        epoch: of the phase; equal to the phase's epochs when it is done.
        batch: batches of the epoch that are done.
        step: optimizer steps of the phase that are done (the schedule's position).
        noise: micro-batches of the phase that are done (the position of dropout's masks).
        seen: images of the phase that went through.
        first_loss: of the first step.
        loss_sum: of the epoch so far.
        loss_count: images behind that sum.
        best_epoch: the epoch with the best validation accuracy so far; the first of equals.
        best_accuracy: that accuracy; of images with several labels, the mean average precision.
        epoch_seconds: of each epoch that is done, validation apart.
        seconds: of the epoch so far.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    noise: int = 0
    seen: int = 0
    first_loss: float | None = None
    loss_sum: float = 0.0
    loss_count: int = 0
    best_epoch: int | None = None
    best_accuracy: float = -1.0
    epoch_seconds: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)

    def next_epoch(self) -> None:
        """The epoch is over, its validation too."""
        self.epoch_seconds.append(self.seconds)
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss_sum, self.loss_count, self.seconds = 0.0, 0, 0.0
