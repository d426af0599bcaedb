"""How often an image of a class is ranked above one of another: the mean over the classes, each against all others."""

from __future__ import annotations

from bakeoff.evaluation.judged import Judged, mean

KINDS = {"single": 40, "binary": 40, "multilabel": 20}
BETTER = "higher"
TEXT = {"en": "ROC AUC, mean", "zh": "ROC AUC 均值"}
SHORT = "ROC AUC"
PERCENT = False
RECORDED = ("multilabel",)


def value(judged: Judged) -> float | None:
    """In 0..1, 0.5 for guessing; None where no class has images and lacks some."""
    return mean(judged.roc_aucs)
