"""A training that went astray though its numbers are finite: losses, weights and answers that no net of use has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.errors import DivergedError
from bakeoff.schemas import Array, Score
from bakeoff.training.rescue.not_finite import advice

if TYPE_CHECKING:
    from bakeoff.training.loop.epochs import Loop

TIMES = 1000.0  # the first loss, or that of chance; the largest weight of the start, or 1


def check_losses(loop: Loop, losses: Array) -> None:
    """Refuse a loss a thousand times as large as in the beginning; steps of a net that has learned stay far below.

    Raises:
        DivergedError: with step and rate.
    """
    if loop.state.first_loss is None:
        loop.state.first_loss = float(losses[0])
    usual = max(loop.state.first_loss, math.log(max(2, len(loop.context.data.classes))))
    bad = np.flatnonzero(losses > TIMES * usual)
    if len(bad):
        step = loop.state.step + int(bad[0])
        raise _error(
            loop, f"the loss is {losses[bad[0]]:.1e}, and was {loop.state.first_loss:.3g} in the beginning", step
        )


def check_weights(loop: Loop) -> None:
    """Refuse weights a thousand times as large as any in the beginning.

    Raises:
        DivergedError: with step and rate.
    """
    now = largest(loop)
    if now > TIMES * max(1.0, loop.largest):
        raise _error(loop, f"the largest weight is {now:.1e}, and was {loop.largest:.2g} at first", loop.state.step - 1)


def largest(loop: Loop) -> float:
    """The largest trained weight."""
    held = loop.graph.parameters if loop.graph is not None else {}
    trained = (array for path, array in loop.net.arrays().items() if path not in held or held[path].trainable)
    return max((float(np.abs(array).max(initial=0)) for array in trained), default=0.0)


def at_chance(loop: Loop, found: Score, labels: Array) -> str:
    """A line where the net is no better than one that answers the shares of the classes; nothing where it is."""
    shares = np.bincount(labels) / len(labels) if labels.ndim == 1 and len(labels) else np.ones(1)
    chance = -float(sum(share * math.log(share) for share in shares if share))
    if len(shares) < 2 or found.loss < chance or found.accuracy_interval[0] > shares.max():
        return ""
    step = loop.state.step - 1
    return (
        f"nothing was learned: loss {found.loss:.3g} (chance: {chance:.3g}), accuracy {found.accuracy:.3f} (always the "
        f"largest class: {shares.max():.3f}) on {len(labels)} validation images; rate {loop.rate(step):.1e} at step "
        f"{step}. {advice(loop)}, or find one: bakeoff find-rate DATA"
    )


def _error(loop: Loop, what: str, step: int) -> DivergedError:
    return DivergedError(f"training diverged: {what} (step {step}, rate {loop.rate(step):.2g}).\n{advice(loop)}")
