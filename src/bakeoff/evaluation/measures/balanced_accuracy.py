"""The mean recall of the classes that have images: 1 / classes for guessing, however unequal the classes.

K. H. Brodersen et al. 2010, The balanced accuracy and its posterior distribution, ICPR.
"""

from __future__ import annotations

from bakeoff.evaluation.judged import Judged

KINDS = {"single": 10, "binary": 10}
BETTER = "higher"
TEXT = {"en": "balanced accuracy", "zh": "平衡准确率"}
RECORDED: tuple[str, ...] = ()


def value(judged: Judged) -> float:
    """In 0..1."""
    there, _, hits = judged.counts
    return float((hits[there > 0] / there[there > 0]).mean())
