"""Agreement beyond chance. J. Cohen 1960, A coefficient of agreement for nominal scales."""

from __future__ import annotations

from bakeoff.evaluation.judged import Judged

KINDS = {"single": 60, "binary": 60}
BETTER = "higher"
TEXT = {"en": "Cohen's kappa", "zh": "科恩 κ"}
PERCENT = False


def value(judged: Judged) -> float | None:
    """-1..1; None where all images are of one class and are called so."""
    there, called, hits = judged.counts
    num = there.sum()
    chance = float((there * called).sum()) / num**2
    return None if chance == 1 else float((hits.sum() / num - chance) / (1 - chance))
