"""The share of images that are answered rightly; of several labels, of those with every label right."""

from __future__ import annotations

from bakeoff.evaluation.judged import Judged

KINDS = {"single": 0, "binary": 0, "multilabel": 0}
BETTER = "higher"
TEXT = {"en": "accuracy", "zh": "准确率"}
DECIDED = True


def value(judged: Judged) -> float:
    """Right / all, in 0..1."""
    return int(judged.right.sum()) / len(judged.right)
