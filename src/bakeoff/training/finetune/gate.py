"""Whether a phase was worth it: its weights against those before it, on the same validation images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.evaluation.scores import right
from bakeoff.evaluation.statistics.paired import paired
from bakeoff.protocols import Net
from bakeoff.recipe.schema import Finetune
from bakeoff.schemas import Array
from bakeoff.training.context import Context, predict_split

UNJUDGED: Mapping[str, Any] = {"kept": False, "num": 0}  # without validation images the phase is left out


def gate(context: Context, net: Net, phase: Finetune, before: Mapping[str, Array]) -> dict[str, Any]:
    """Leaves the net with the better weights; what was found, for run.json.

    What was trained is kept only where the interval of the difference in accuracy, image by image, lies above 0: a
    handful of images won by chance is no reason to move every weight.

    Args:
        net: as the phase ended.
        before: its arrays when the phase began.
    """
    validation = context.data.validation
    if validation is None:
        context.reporter.log(message(UNJUDGED))
        return dict(UNJUDGED)
    size, after = context.recipe.evaluation.batch_size, net.arrays()
    new = predict_split(context, validation, net.logits, size)
    net.load(before)
    old = predict_split(context, validation, net.logits, size)
    found = paired(right(new), right(old), phase.keep_confidence)
    kept = found.interval[0] > 0
    if kept:
        net.load(after)
    row = {
        "kept": kept,
        "before": float(right(old).mean()),
        "after": float(right(new).mean()),
        "difference": found.difference,
        "interval": list(found.interval),
        "confidence": phase.keep_confidence,
        "num": found.num,
        "won": found.only_a,
        "lost": found.only_b,
    }
    context.reporter.log(message(row))
    return row


def message(row: Mapping[str, Any]) -> str:
    """The decision in a line."""
    if not row["num"]:
        return "fine-tuning left out: there are no validation images that could say whether it makes the net better"
    low, high = row["interval"]
    change = f"difference {100 * row['difference']:+.1f} points"
    return (
        f"fine-tuning {'kept' if row['kept'] else 'rejected: the net is as it was before it'}; validation accuracy "
        f"{100 * row['before']:.1f} % before, {100 * row['after']:.1f} % after, {change}, "
        f"{100 * row['confidence']:g} % interval {100 * low:+.1f} to {100 * high:+.1f}"
    )
