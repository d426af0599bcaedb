"""The share of images whose class is among the five most probable."""

from __future__ import annotations

import numpy as np

from bakeoff.evaluation.judged import Judged
from bakeoff.schemas import Array

KINDS = {"single": 30, "binary": 30}
BETTER = "higher"
TEXT = {"en": "top 5", "zh": "前 5 准确率"}
RECORDED: tuple[str, ...] = ()
TOP = 5


def value(judged: Judged) -> float | None:
    """In 0..1; None for five classes or fewer."""
    return top_k(judged.logits, judged.labels, TOP) if judged.logits.shape[1] > TOP else None


def top_k(logits: Array, labels: Array, k: int) -> float:
    """The share of images whose true class is among the k highest logits; of equals the first class goes first."""
    best = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return float((best == np.asarray(labels)[:, None]).any(1).mean())
