"""The scale of the loss in float16: so that small gradients don't vanish, and overflows cost one step and no more.

Formula  loss' = scale loss;  g = g' / scale in float32
         all of g' finite:  the step is taken; after PATIENCE such steps in a row, scale <- GROWTH scale
         else:              the step is left out, slots and step number stay; scale <- max(1, BACKOFF scale)
         Micikevicius et al., 2018, section 3.2; the numbers are those of torch.amp.GradScaler
"""

from __future__ import annotations

from typing import Any

START, GROWTH, BACKOFF, PATIENCE = 2.0**16, 2.0, 0.5, 2000
FIRST = {"scale": START, "good": 0.0, "skipped": 0.0}
"""`good`: steps in a row without an overflow; `skipped`: steps left out so far. All float32."""


def after(ops: Any, state: dict[str, Any], finite: Any) -> dict[str, Any]:
    """The state after a step.

    Args:
        ops: numpy or keras.ops.
        state: as FIRST.
        finite: whether all gradients were.
    """
    scale, good = state["scale"], state["good"] + 1
    grows = good >= PATIENCE
    return {
        "scale": ops.where(
            finite, ops.where(grows, scale * GROWTH, scale), ops.where(scale > 1 / BACKOFF, scale * BACKOFF, 1.0)
        ),
        "good": ops.where(finite, ops.where(grows, 0.0, good), 0.0),
        "skipped": ops.where(finite, state["skipped"], state["skipped"] + 1),
    }
