"""How surprised the classifier is by the true labels."""

from __future__ import annotations

from bakeoff.evaluation.judged import Judged
from bakeoff.evaluation.kinds import losses

KINDS = {"single": 1, "binary": 1, "multilabel": 1}
BETTER = "lower"
TEXT = {"en": "loss", "zh": "损失"}
PERCENT = False


def value(judged: Judged) -> float:
    """Mean cross-entropy in nats, in float64 whatever came; of several labels, the mean over the classes, too."""
    return float(losses(judged.logits, judged.labels).mean())
