"""mAP: the area under precision over recall, the mean over the labels that some image has. Needs no threshold."""

from __future__ import annotations

from bakeoff.evaluation.judged import Judged, mean

KINDS = {"multilabel": 10}
BETTER = "higher"
TEXT = {"en": "mean average precision (mAP)", "zh": "平均精度均值（mAP）"}
SHORT = "mAP"


def value(judged: Judged) -> float | None:
    """In 0..1; None where no image has a label."""
    return mean(judged.average_precisions)
