"""Who else is told of a training, beside the run folder: one destination a file.

A file has `start(path of the run, step it was resumed from or None) -> Logger`. The run folder's `metrics.jsonl` and
`epochs.jsonl` are always written; a logger gets the same rows, and what only the training knows: weights, gradients,
images, predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bakeoff import registry
from bakeoff.graph import Graph
from bakeoff.schemas import Array, Predictions


class Logger(Protocol):
    """One destination. A logger that fails must not end a training: `Loggers` names it and goes on."""

    def begin(self, graph: Graph, images: Array) -> None:
        """The net, and some training images as they go into it, uint8 (n, H, W, C)."""

    def row(self, log: str, row: Mapping[str, Any]) -> None:
        """A row of `metrics.jsonl` or `epochs.jsonl`."""

    def epoch(self, step: int, weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """The arrays after an epoch, canonical; gradients of the last batch, or none."""

    def end(self, scores: Mapping[str, float], predictions: Predictions | None, classes: Sequence[str]) -> None:
        """Final figures by name, and the predictions of the split that was scored last."""

    def close(self) -> None:
        """Write what is left."""


def names() -> tuple[str, ...]:
    """The loggers that have a file."""
    return registry.names(__name__)


def logger(name: str) -> Any:
    """The module of a logger.

    Raises:
        UsageError: there is none of that name.
    """
    return registry.load(__name__, name, what="logger")
