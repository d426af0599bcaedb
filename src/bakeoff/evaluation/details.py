"""What `evaluate` says beside the accuracy: balance, ranking, calibration, and what abstaining would gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from bakeoff.evaluation.measures.balance import balanced_accuracy, macro_f1
from bakeoff.evaluation.measures.calibration import calibration_error, reliability, temperature
from bakeoff.evaluation.measures.confusion import confusion
from bakeoff.evaluation.measures.coverage import THRESHOLDS, coverage
from bakeoff.evaluation.measures.ranking import average_precision, roc_auc
from bakeoff.evaluation.measures.top_k import top_k_accuracy
from bakeoff.evaluation.scores import predicted, probabilities
from bakeoff.schemas import Array, Predictions

TOP = 5


def details(
    found: Predictions, classes: Sequence[str], tuned_on: Predictions | None = None, abstain: float | None = None
) -> dict[str, Any]:
    """Plain values for JSON, of pictures that `bakeoff.evaluation.scores.score` has accepted.

    Args:
        found: logits and labels of the split.
        classes: the class names.
        tuned_on: another split, on which the temperature is fitted: never on the one that it is judged by.
        abstain: a threshold to add to the table of coverage.

    Returns:
        balanced_accuracy, macro_f1; top5_accuracy (None for 5 classes or fewer); roc_auc and average_precision (of the
        second of two classes; the mean over the classes where there are more, each against all others); calibration
        {error, bins, temperature, error_after}, the last two None without `tuned_on`; coverage [{threshold, coverage,
        accuracy}]. Where pictures have several labels, calibration is that of all answers together, and what has no
        meaning there is None: balanced accuracy, top 5, coverage.
    """
    if found.multilabel:
        return _multilabel(found, tuned_on)
    chances, called = probabilities(found.logits), predicted(found.logits)
    table = confusion(called, found.labels, len(classes))
    sure, correct = chances.max(1), called == found.labels
    thresholds = sorted({*THRESHOLDS, *([] if abstain is None else [abstain])})
    wide = found.logits.shape[1] > TOP
    return {
        "balanced_accuracy": balanced_accuracy(table),
        "macro_f1": macro_f1(table),
        "top5_accuracy": top_k_accuracy(found.logits, found.labels, TOP) if wide else None,
        "roc_auc": _mean(roc_auc, chances, found.labels),
        "average_precision": _mean(average_precision, chances, found.labels),
        "calibration": {
            "error": calibration_error(sure, correct),
            "bins": [asdict(row) for row in reliability(sure, correct)],
            **_tempered(found, tuned_on),
        },
        "coverage": [asdict(row) for row in coverage(sure, correct, thresholds)],
    }


def _multilabel(found: Predictions, tuned_on: Predictions | None) -> dict[str, Any]:
    """Calibration over all answers: whether of those given 0.8 four in five are there."""

    def pairs(logits: Array) -> tuple[Array, Array]:
        return probabilities(logits, multilabel=True).ravel(), found.labels.ravel() > 0

    sure, there = pairs(found.logits)
    cooled: dict[str, float | None] = {"temperature": None, "error_after": None}
    if tuned_on is not None and len(tuned_on.labels):
        fitted = temperature(tuned_on.logits, tuned_on.labels)
        cooled = {
            "temperature": fitted,
            "error_after": calibration_error(*pairs(found.logits.astype("float64") / fitted)),
        }
    bins = [asdict(row) for row in reliability(sure, there)]
    return {
        "balanced_accuracy": None,
        "top5_accuracy": None,
        "calibration": {"error": calibration_error(sure, there), "bins": bins, **cooled},
        "coverage": None,
    }


def _mean(metric: Any, chances: Array, labels: Array) -> float | None:
    columns = [1] if chances.shape[1] == 2 else range(chances.shape[1])
    found = [metric(chances[:, index], labels == index) for index in columns]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _tempered(found: Predictions, tuned_on: Predictions | None) -> dict[str, float | None]:
    if tuned_on is None or not len(tuned_on.labels):
        return {"temperature": None, "error_after": None}
    fitted = temperature(tuned_on.logits, tuned_on.labels)
    cooled = replace(found, logits=found.logits.astype("float64") / fitted)
    sure = probabilities(cooled.logits).max(1)
    error = calibration_error(sure, predicted(cooled.logits) == found.labels)
    return {"temperature": fitted, "error_after": error}
