"""From logits and labels to a Score. Every denominator is the number of images that came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError, UsageError
from bakeoff.evaluation import measures
from bakeoff.evaluation.judged import Judged
from bakeoff.evaluation.kinds import of_predictions
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.schemas import Predictions, Score


def score(predictions: Predictions, classes: Sequence[str], threshold: float = 0.5) -> Score:
    """How a classifier fares; a MultilabelScore where images may have several labels.

    Args:
        predictions: logits and true labels.
        classes: the class names, in the order of the logits.
        threshold: the probability from which one of several labels is given.

    Raises:
        UsageError: there is no image, or the logits are of another number of classes.
        BakeoffError: a logit is not finite; the message has its record.
    """
    _check(predictions, classes)
    judged = Judged(predictions, tuple(classes), threshold)
    num = len(predictions.labels)
    common = {
        "figures": measures.values(judged, recorded=True),
        "choice": judged.kind.choice,
        "accuracy_interval": wilson(int(judged.right.sum()), num),
        "num": num,
    }
    return judged.kind.score(judged, common)


def threshold_of(tuned_on: Predictions | None) -> float:
    """The probability from which one of several labels is given: the best by micro F1 on these; 0.5 without them."""
    return of_predictions(tuned_on).threshold(tuned_on) if tuned_on is not None and len(tuned_on.labels) else 0.5


def right(found: Predictions, threshold: float | None = None) -> NDArray[np.bool_]:
    """(N,): which images are judged rightly; of several labels, those of which every label is right.

    Args:
        threshold: the probability from which one of several labels is given; None: the best on these images.
    """
    kind = of_predictions(found)
    limit = threshold_of(found) if threshold is None else threshold
    return kind.right(kind.answers(found.logits, limit), found.labels)


def figure(found: Score) -> float:
    """What a training is chosen by, 0 where it can't be said: the accuracy; of several labels, the mAP."""
    return found.figures[found.choice] or 0.0


def _check(predictions: Predictions, classes: Sequence[str]) -> None:
    logits = predictions.logits
    if len(predictions.labels) == 0:
        raise UsageError("there is no image to score: the split is empty.")
    width = len(classes) if len(classes) != 2 or logits.shape[1] != 1 else 1
    if logits.shape != (len(predictions.labels), width):
        raise UsageError(
            f"got logits of shape {logits.shape} for {len(predictions.labels)} labels and {len(classes)} classes; were"
            " the model and the data made from the same class folders?"
        )
    labels = predictions.labels
    if labels.ndim == 1 and not 0 <= labels.min() <= labels.max() < len(classes):
        raise ValueError(f"got labels from {labels.min()} to {labels.max()}, expected 0 to {len(classes) - 1}")
    rows = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(rows):
        record = int(predictions.records[rows[0]])
        raise BakeoffError(
            f"the logits of {len(rows)} images are not finite, first of record {record}.\n"
            "Train again with a lower rate."
        )
