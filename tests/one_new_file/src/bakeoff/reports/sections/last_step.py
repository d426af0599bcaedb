"""last_step: the loss that the training ended with."""

from __future__ import annotations

from typing import Any

from bakeoff.reports.source import Report
from bakeoff.texts.catalogue import Say

ORDER = 22

TEXT = {
    "en": {"title": "The last step", "loss": "After {steps} steps the loss was {loss}."},
    "zh": {"title": "最后一步", "loss": "{steps} 步之后，损失为 {loss}。"},
}

TEMPLATE = "<p>{{ t('loss', steps=steps, loss=loss) }}</p>"


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """Steps and loss of the first run."""
    steps = report.first.steps
    return {"steps": len(steps), "loss": f"{steps[-1]['loss']:.3f}"} if steps else None
