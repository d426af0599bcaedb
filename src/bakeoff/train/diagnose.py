"""What to say of a training that can't go on: the step, the pictures, the first layer, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.errors import BakeoffError
from bakeoff.schemas import Batch

if TYPE_CHECKING:
    from bakeoff.train.loop import Loop


class NotFiniteError(BakeoffError):
    """A loss, gradient, weight or rate that is no finite number; the last checkpoint stands."""


def loss(loop: Loop, value: float, bad: int, chunk: list[Batch]) -> NotFiniteError:
    """The error for a loss of `value` at the step `bad` of a chunk."""
    batch = chunk[min(bad, len(chunk) - 1)]
    peak = loop.phase.schedule.peak / 10
    number = loop.context.recipe.phases.index(loop.phase)
    return NotFiniteError(
        f"training stopped: the loss is {value} at step {loop.state.step + bad} {_place(loop, batch)}.\n"
        f"Use a smaller rate: --set phases.{number}.schedule.peak={peak:.0e}"
    )


def rate(loop: Loop, value: float, step: int, chunk: list[Batch]) -> NotFiniteError:
    """The error for a rate that is no number."""
    name = loop.phase.schedule.name
    return NotFiniteError(f"training stopped before step {step}: the schedule {name} gives a rate of {value}.")


def _place(loop: Loop, batch: Batch) -> str:
    return f"(epoch {loop.state.epoch + 1}, records {batch.records[:5].tolist()}...)"
