"""A text file in the run, a line for everything that a logger is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bakeoff.graph import Graph
from bakeoff.schemas import Array, Predictions


def start(path: Path, resumed_from: int | None) -> PlainText:
    """A logger that writes to `RUN/log.txt`."""
    return PlainText(path / "log.txt")


class PlainText:
    """See `bakeoff.training.loggers.Logger`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def begin(self, graph: Graph, images: Array) -> None:
        """The size of the net and of the images."""
        self._line("begin", graph.count(), images.shape)

    def row(self, log: str, row: Mapping[str, Any]) -> None:
        """The names of its numbers."""
        self._line("row", log, *sorted(row))

    def epoch(self, step: int, weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """The step, and how many arrays there are."""
        self._line("epoch", step, len(weights), len(gradients))

    def end(self, scores: Mapping[str, float], predictions: Predictions | None, classes: Sequence[str]) -> None:
        """The names of the figures, and the classes."""
        self._line("end", *sorted(scores), *classes)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _line(self, *words: object) -> None:
        print(*words, file=self._file)
