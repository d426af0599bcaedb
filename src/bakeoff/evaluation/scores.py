"""From logits and labels to probabilities and a Score. Every denominator is the number of pictures that came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError, UsageError
from bakeoff.evaluation.measures.confusion import confusion
from bakeoff.evaluation.measures.log_loss import log_loss
from bakeoff.evaluation.measures.multilabel import best_threshold, f1
from bakeoff.evaluation.measures.ranking import average_precision, roc_auc
from bakeoff.evaluation.measures.wilson import wilson
from bakeoff.schemas import Array, ClassScore, LabelScore, MultilabelScore, Predictions, Score


def score(predictions: Predictions, classes: Sequence[str], threshold: float = 0.5) -> Score:
    """How a classifier fares; a MultilabelScore where pictures may have several labels.

    Args:
        predictions: logits and true labels.
        classes: the class names, in the order of the logits.
        threshold: the probability from which one of several labels is given.

    Raises:
        UsageError: there is no picture, or the logits are of another number of classes.
        BakeoffError: a logit is not finite; the message has its record.
    """
    _check(predictions, classes)
    if predictions.multilabel:
        return _multilabel(predictions, classes, threshold)
    table = confusion(predicted(predictions.logits), predictions.labels, len(classes))
    num, correct = int(table.sum()), int(table.trace())
    return Score(
        accuracy=correct / num,
        accuracy_interval=wilson(correct, num),
        num=num,
        loss=log_loss(predictions.logits, predictions.labels),
        per_class=tuple(_class_score(table, index, name) for index, name in enumerate(classes)),
        confusion=tuple(tuple(int(count) for count in row) for row in table),
    )


def threshold_of(tuned_on: Predictions | None) -> float:
    """The probability from which one of several labels is given: the best by micro F1 on these; 0.5 without them."""
    if tuned_on is None or not tuned_on.multilabel or not len(tuned_on.labels):
        return 0.5
    return best_threshold(probabilities(tuned_on.logits, multilabel=True), tuned_on.labels)


def right(found: Predictions, threshold: float | None = None) -> NDArray[np.bool_]:
    """(N,): which pictures are judged rightly; of several labels, those of which every label is right.

    Args:
        threshold: the probability from which one of several labels is given; None: the best on these pictures.
    """
    if not found.multilabel:
        return np.asarray(predicted(found.logits) == found.labels)
    limit = threshold_of(found) if threshold is None else threshold
    said = probabilities(found.logits, multilabel=True) >= limit
    return np.asarray((said == (found.labels > 0)).all(1))


def figure(found: Score) -> float:
    """What a training is chosen by: the accuracy; of several labels, the mean average precision."""
    if isinstance(found, MultilabelScore):
        return found.mean_average_precision or 0.0
    return found.accuracy


def probabilities(logits: Array, *, multilabel: bool = False) -> NDArray[np.float64]:
    """The probability of each class, (N, classes), rows adding up to 1, in float64.

    Args:
        logits: (N, classes): softmax; (N, 1): one binary logit z, giving (1 / (1 + exp(z)), 1 / (1 + exp(-z))).
        multilabel: each class is a question of its own: 1 / (1 + exp(-z)) of each; rows add up to whatever they do.
    """
    wide = logits.astype(np.float64)
    if multilabel:
        return np.asarray(np.exp(-np.logaddexp(0.0, -wide)), dtype=np.float64)
    if wide.shape[1] == 1:  # the softmax of (0, z)
        wide = np.concatenate([np.zeros_like(wide), wide], axis=1)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def predicted(logits: Array) -> NDArray[np.int64]:
    """The most probable class of each picture, (N,); the first of equals, so that a binary logit of 0 is class 0."""
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(np.int64)
    return np.asarray(np.argmax(logits, axis=1), dtype=np.int64)


def _check(predictions: Predictions, classes: Sequence[str]) -> None:
    logits = predictions.logits
    if len(predictions.labels) == 0:
        raise UsageError("there is no picture to score: the split is empty.")
    width = len(classes) if len(classes) != 2 or logits.shape[1] != 1 else 1
    if logits.shape != (len(predictions.labels), width):
        raise UsageError(
            f"got logits of shape {logits.shape} for {len(predictions.labels)} labels and {len(classes)} classes; were"
            " the model and the data made from the same class folders?"
        )
    rows = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(rows):
        record = int(predictions.records[rows[0]])
        raise BakeoffError(
            f"the logits of {len(rows)} pictures are not finite, first of record {record}.\n"
            "Train again with a lower rate."
        )


def _multilabel(predictions: Predictions, classes: Sequence[str], threshold: float) -> MultilabelScore:
    chances, truth = probabilities(predictions.logits, multilabel=True), predictions.labels > 0
    said = chances >= threshold
    num, correct = len(truth), int((said == truth).all(1).sum())
    rows = tuple(_label_score(chances[:, k], said[:, k], truth[:, k], name) for k, name in enumerate(classes))
    micro, macro = f1(said, truth)
    return MultilabelScore(
        accuracy=correct / num,
        accuracy_interval=wilson(correct, num),
        num=num,
        loss=log_loss(predictions.logits, predictions.labels),
        per_class=rows,
        confusion=(),
        threshold=threshold,
        mean_average_precision=_mean([row.average_precision for row in rows]),
        roc_auc=_mean([row.roc_auc for row in rows]),
        micro_f1=micro,
        macro_f1=macro,
    )


def _label_score(chances: Array, said: Array, truth: Array, name: str) -> LabelScore:
    num, called, correct = int(truth.sum()), int(said.sum()), int((said & truth).sum())
    return LabelScore(
        name=name,
        num=num,
        correct=correct,
        precision=correct / called if called else None,
        recall=correct / num if num else None,
        f1=2 * correct / (num + called) if num + called else None,
        average_precision=average_precision(chances, truth),
        roc_auc=roc_auc(chances, truth),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _class_score(table: NDArray[np.int64], index: int, name: str) -> ClassScore:
    num, called, correct = int(table[index].sum()), int(table[:, index].sum()), int(table[index, index])
    return ClassScore(
        name=name,
        num=num,
        correct=correct,
        precision=correct / called if called else None,
        recall=correct / num if num else None,
        f1=2 * correct / (num + called) if num + called else None,
    )
