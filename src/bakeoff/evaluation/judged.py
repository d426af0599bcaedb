"""Predictions beside their labels, and what several measures ask of them, each computed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluation.kinds import Kind, of_predictions
from bakeoff.evaluation.statistics.ranking import average_precision, roc_auc
from bakeoff.schemas import Array, Predictions


@dataclass(frozen=True)
class Judged:
    """What a measure is handed.

    Attributes:
        found: logits and labels, of one image or more.
        classes: names, in the order of the logits (two names for one binary logit).
        threshold: the probability from which one of several labels is given.
    """

    found: Predictions
    classes: tuple[str, ...]
    threshold: float = 0.5

    @property
    def logits(self) -> Array:
        """(N, classes), or (N, 1) for one binary logit."""
        return self.found.logits

    @property
    def labels(self) -> NDArray[Any]:
        """int64, (N,); where images may have several, (N, classes), of 0 and 1."""
        return self.found.labels

    @cached_property
    def kind(self) -> Kind:
        """Of the classification."""
        return of_predictions(self.found)

    @cached_property
    def probabilities(self) -> Array:
        """(N, classes)."""
        return self.kind.probabilities(self.logits)

    @cached_property
    def answers(self) -> Array:
        """int64, (N,); where images may have several labels, bool, (N, classes)."""
        return self.kind.answers(self.logits, self.threshold)

    @cached_property
    def right(self) -> Array:
        """bool, (N,)."""
        return self.kind.right(self.answers, self.labels)

    @cached_property
    def counts(self) -> tuple[Array, Array, Array]:
        """(classes,) each: images that show the class, images that were called so, images of both."""
        return self.kind.counts(self.answers, self.labels, len(self.classes))

    @cached_property
    def average_precisions(self) -> list[float | None]:
        """Of each class against all others; of the second alone where there are two classes and one label an image."""
        return [average_precision(*pair) for pair in self.kind.questions(self.probabilities, self.labels)]

    @cached_property
    def roc_aucs(self) -> list[float | None]:
        """Of the same."""
        return [roc_auc(*pair) for pair in self.kind.questions(self.probabilities, self.labels)]

    def per_class(self) -> Iterator[dict[str, Any]]:
        """The fields of a ClassScore, class by class."""
        for name, *counted in zip(self.classes, *self.counts, strict=True):
            num, called, correct = map(int, counted)
            yield {
                "name": name,
                "num": num,
                "correct": correct,
                "precision": correct / called if called else None,
                "recall": correct / num if num else None,
                "f1": 2 * correct / (num + called) if num + called else None,
            }


def mean(values: list[float | None]) -> float | None:
    """Of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
