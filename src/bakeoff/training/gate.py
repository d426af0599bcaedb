"""Whether a phase was worth it: its weights against those before it, on the same validation images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff.evaluation.scores import right
from bakeoff.evaluation.statistics.paired import newcombe, paired
from bakeoff.protocols import Net
from bakeoff.recipe.schema import Finetune, Phase, Widen
from bakeoff.schemas import Array, Predictions
from bakeoff.training.context import Context, PhaseResult, predict_split

UNJUDGED: Mapping[str, Any] = {"kept": False, "num": 0}  # without validation images the phase is left out


def needless(phase: Phase, found: PhaseResult) -> dict[str, Any] | None:
    """The row of a phase that couldn't prove itself, whatever it learned; None where it could, or needn't.

    Args:
        found: what the phase before came to.
    """
    if not isinstance(phase, Widen) and (not isinstance(phase, Finetune) or phase.keep != "if-better"):
        return None
    before = found.logits.get("validation")
    if before is None:
        return dict(UNJUDGED)
    num, wrong = len(before.labels), int(np.sum(~right(before)))

    def told(won: int) -> bool:
        neither = max(wrong - won, 0)
        return newcombe(num - won - neither, won, 0, neither, phase.keep_confidence)[0] > 0

    least = next((won for won in range(1, num + 1) if told(won)), num + 1)
    row = {"kept": False, "num": num, "before": 1 - wrong / num, "wrong": wrong, "least": least}
    if found.context is not None:  # several nets at once: slow to train, and as good without
        return row | {"instead": found.notes["backbone"]}
    return row if least > wrong else None


def gate(context: Context, net: Net, phase: Finetune, before: Mapping[str, Array]) -> dict[str, Any]:
    """Leaves the net with the better weights; what was found, for run.json.

    Args:
        net: as the phase ended.
        before: its arrays when the phase began.
    """
    validation = context.data.validation
    if validation is None:
        context.reporter.log(message(UNJUDGED, phase))
        return dict(UNJUDGED)
    size, after = context.recipe.evaluation.batch_size, net.arrays()
    new = predict_split(context, validation, net.logits, size)
    net.load(before)
    row = compared(new, predict_split(context, validation, net.logits, size), phase.keep_confidence)
    if row["kept"]:
        net.load(after)
    context.reporter.log(message(row, phase))
    return row


def compared(new: Predictions, old: Predictions, confidence: float) -> dict[str, Any]:
    """Whether the new net is kept, and by what.

    Only where the interval of the difference in accuracy, image by image, lies above 0: a handful of images won by
    chance is no reason to move every weight.
    """
    found = paired(right(new), right(old), confidence)
    return {
        "kept": found.interval[0] > 0,
        "before": float(right(old).mean()),
        "after": float(right(new).mean()),
        "difference": found.difference,
        "interval": list(found.interval),
        "confidence": confidence,
        "num": found.num,
        "won": found.only_a,
        "lost": found.only_b,
    }


def left_out(row: Mapping[str, Any]) -> str:
    """Why a phase wasn't begun."""
    num = row["num"]
    if "extra" in row:
        return f"the weights aren't installed: pip install '{row['extra']}'"
    if not num:
        return "there are no validation images that could say whether it makes the net better"
    if "instead" in row:
        return f"{row['instead']} is kept"
    if not row["wrong"]:
        return f"all {num:,} validation images are right without it"
    least = f"the smallest gain that {num:,} validation images can tell is {100 * row['least'] / num:.1f} points"
    return f"{least} ({row['least']} of them), more than all that are wrong without it ({row['wrong']})"


def called(phase: Phase) -> str:
    """A phase that has to prove itself, in words."""
    return f"{phase.backbone.count('+') + 1} backbones" if isinstance(phase, Widen) else "fine-tuning"


def message(row: Mapping[str, Any], phase: Phase) -> str:
    """The decision in a line."""
    if "interval" not in row:
        return f"{called(phase)} left out: {left_out(row)}"
    low, high = row["interval"]
    change = f"difference {100 * row['difference']:+z.1f} points"
    return (
        f"{called(phase)} {'kept' if row['kept'] else 'rejected: the net is as it was before'}; validation accuracy "
        f"{100 * row['before']:.1f} % before, {100 * row['after']:.1f} % after, {change}, "
        f"{100 * row['confidence']:g} % interval {100 * low:+z.1f} to {100 * high:+z.1f}"
    )
