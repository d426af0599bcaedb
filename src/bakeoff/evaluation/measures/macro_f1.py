"""The mean F1 of the classes that have images or are named: each class weighs the same.

F1 of a class is 2 correct / (images + called so), the harmonic mean of precision and recall.
"""

from __future__ import annotations

import numpy as np

from bakeoff.evaluation.judged import Judged

KINDS = {"single": 20, "binary": 20, "multilabel": 40}
BETTER = "higher"
TEXT = {"en": "macro F1", "zh": "宏平均 F1"}
RECORDED = ("multilabel",)
DECIDED = True


def value(judged: Judged) -> float | None:
    """In 0..1; None where nothing was there and nothing was said."""
    there, called, hits = judged.counts
    known = there + called > 0
    return float(np.mean(2 * hits[known] / (there + called)[known])) if known.any() else None
