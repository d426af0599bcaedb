"""The learning-rate finder: rates that grow from step to step, the loss at each, and the rate that falls fastest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.recipe import loads
from bakeoff.recipe.schema import Finetune
from bakeoff.rundir.folder import Run
from bakeoff.schemas import Array, Batch
from bakeoff.training.context import Context
from bakeoff.training.finetune.plan import Plan, planned
from bakeoff.training.finetune.strategy import native, prepared
from bakeoff.training.job import Job
from bakeoff.training.setup import start
from bakeoff.workers.channel import Reporter

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 100
MEMORY = 0.9  # of the running mean of the losses
BLOWN = 4.0  # times the least loss: nothing beyond is worth seeing


@dataclass(frozen=True)
class Rates:
    """What was found.

    Attributes:
        rates: of the steps, growing by the same factor.
        losses: running means of the losses, corrected for their start.
        suggestion: the rate at which the loss falls fastest per factor, a step before it flattens.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {"suggestion": self.suggestion, "rates": list(self.rates), "losses": list(self.losses)}


def work(session: dict[str, Any], reporter: Reporter, *, job: dict[str, Any], steps: int) -> dict[str, Any]:
    """In a worker: the rates for the first phase that fine-tunes.

    Raises:
        UsageError: the recipe has none.
    """
    from bakeoff.training.work import read

    asked = Job(**job)
    recipe = loads(asked.recipe)
    phase = next((each for each in recipe.phases if isinstance(each, Finetune)), None)
    if phase is None:
        raise UsageError(f"the recipe {recipe.title!r} has no finetune phase, so no rate.\nAs: --phases finetune")
    data = read(asked, recipe, reporter)
    context = Context(asked, recipe, data, start(recipe, data, asked.seed), Run(asked.run), reporter)
    return find_rates(context, phase, steps=steps).to_json()


def find_rates(context: Context, phase: Finetune, *, steps: int = STEPS) -> Rates:
    """Train a net for some steps at growing rates (Smith, 2017, arXiv:1506.01186, section 3.3) and throw it away."""
    graph = prepared(context.start.graph.astype(context.job.dtype), phase)
    chosen = planned(context, phase, graph)
    net = native(context, graph, phase)
    chosen.compile(net)
    net.seek(0)
    growth = (HIGHEST / LOWEST) ** (1 / max(steps - 1, 1))
    rates, losses, mean, least = [], [], 0.0, math.inf
    for step, batch in zip(range(steps), _forever(context, phase), strict=False):
        rate = LOWEST * growth**step
        loss = float(_step(net, context, chosen, batch, rate))
        if not math.isfinite(loss):
            break
        mean = MEMORY * mean + (1 - MEMORY) * loss
        rates.append(rate)
        losses.append(mean / (1 - MEMORY ** (step + 1)))
        least = min(least, losses[-1])
        context.reporter.progress("rates", step + 1, steps, f"rate {rate:.1e}  loss {loss:.3f}", unit="steps")
        if losses[-1] > BLOWN * least and step > 10:
            break
    return Rates(tuple(rates), tuple(losses), suggested(rates, losses))


def suggested(rates: list[float], losses: list[float]) -> float:
    """Where the loss falls most steeply over log(rate); what comes after the least loss doesn't count."""
    end = int(np.argmin(losses)) + 1 if losses else 0
    if end < 3:
        return rates[0] if rates else LOWEST
    slopes = np.gradient(np.array(losses[:end]), np.log(rates[:end]))
    return float(rates[int(np.argmin(slopes))])


def _step(net: Any, context: Context, chosen: Plan, batch: Batch, rate: float) -> float:
    losses: Array = net.steps([context.images(batch)], [chosen.targets.of(batch)], [rate])
    return float(losses[0])


def _forever(context: Context, phase: Finetune) -> Iterator[Batch]:
    for epoch in count():
        yield from context.batches(
            context.data.train, phase.batch_size, epoch=epoch, shuffle=True, drop_last=False, augment=True
        )
