"""What `evaluate` says beside the score: the measures that run.json hasn't, calibration, what abstaining would gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bakeoff.evaluation import measures
from bakeoff.evaluation.judged import Judged
from bakeoff.evaluation.statistics.calibration import calibration_error, reliability, temperature
from bakeoff.evaluation.statistics.coverage import THRESHOLDS, coverage
from bakeoff.schemas import Predictions


def details(
    found: Predictions, classes: Sequence[str], tuned_on: Predictions | None = None, abstain: float | None = None
) -> dict[str, Any]:
    """Plain values for JSON, of images that `bakeoff.evaluation.scores.score` has accepted.

    Args:
        found: logits and labels of the split.
        classes: the class names.
        tuned_on: another split, on which the temperature is fitted: never on the one that it is judged by.
        abstain: a threshold to add to the table of coverage.

    Returns:
        The measures of the kind that a score leaves out; calibration {error, bins, temperature, error_after}, the last
        two None without `tuned_on`; coverage [{threshold, coverage, accuracy}]. Where images have several labels,
        calibration is that of all answers together, and what has no meaning there is None.
    """
    judged = Judged(found, tuple(classes))
    kind = judged.kind
    stated = kind.stated(found.logits, found.labels)
    thresholds = sorted({*THRESHOLDS, *([] if abstain is None else [abstain])})
    return {
        **measures.values(judged, recorded=False),
        **dict.fromkeys(kind.undefined),
        "calibration": {
            "error": calibration_error(*stated),
            "bins": [asdict(row) for row in reliability(*stated)],
            **_tempered(judged, tuned_on),
        },
        "coverage": None if kind.multilabel else [asdict(row) for row in coverage(*stated, thresholds)],
    }


def _tempered(judged: Judged, tuned_on: Predictions | None) -> dict[str, float | None]:
    if tuned_on is None or not len(tuned_on.labels):
        return {"temperature": None, "error_after": None}
    fitted = temperature(tuned_on.logits, tuned_on.labels)
    stated = judged.kind.stated(judged.logits.astype("float64") / fitted, judged.labels)
    return {"temperature": fitted, "error_after": calibration_error(*stated)}
