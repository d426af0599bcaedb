"""The area under precision over recall: the mean over the classes, each against all others.

Of several labels it is `mean_average_precision` by the name that models with one label have for it.
"""

from __future__ import annotations

from bakeoff.evaluation.judged import Judged, mean

KINDS = {"single": 50, "binary": 50, "multilabel": 50}
BETTER = "higher"
TEXT = {"en": "average precision", "zh": "平均精度"}
PERCENT = False
RECORDED: tuple[str, ...] = ()


def value(judged: Judged) -> float | None:
    """In 0..1; None where no class has images."""
    return mean(judged.average_precisions)
