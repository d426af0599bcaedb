"""F1 over all answers together: 2 hits / (2 hits + false alarms + misses). Frequent classes weigh more."""

from __future__ import annotations

from bakeoff.evaluation.judged import Judged

KINDS = {"multilabel": 30}
BETTER = "higher"
TEXT = {"en": "micro F1", "zh": "微平均 F1"}
DECIDED = True


def value(judged: Judged) -> float | None:
    """In 0..1; None where nothing was there and nothing was said."""
    there, called, hits = judged.counts
    weight = there + called
    return float(2 * hits.sum() / weight.sum()) if weight.any() else None
