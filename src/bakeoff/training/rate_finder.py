"""The learning-rate finder: rates that grow from step to step, the loss at each, and the rate that falls fastest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.recipe import loads
from bakeoff.recipe.schema import Finetune
from bakeoff.rundir.folder import Run
from bakeoff.schemas import Array, Batch, Brief
from bakeoff.seeds import key
from bakeoff.training.context import Context
from bakeoff.training.finetune.plan import Plan, planned
from bakeoff.training.finetune.strategy import native, prepared
from bakeoff.training.job import Job
from bakeoff.training.setup import start
from bakeoff.workers.channel import Reporter

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 100
MEMORY = 0.9  # of the running mean of the losses
SAFE = 0.25
SWEEPS = 3  # of other start weights and orders, whose mean is judged: what one says is off by a factor of two to four
WIDTH = 3.0  # of the smoothing on both sides, in steps
BLOWN = 4.0  # times the least loss: nothing beyond is worth seeing


@dataclass(frozen=True, repr=False)
class Rates(Brief):
    """What was found.

    Attributes:
        rates: of the steps, growing by the same factor.
        losses: running means of the sweeps' mean loss, corrected for their start.
        rate: one to train with; see `steepest`.
        override: what sets it in the recipe, as `--set` and `train(overrides=[...])` take it.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    rate: float
    override: str = ""

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {"rate": self.rate, "override": self.override, "rates": list(self.rates), "losses": list(self.losses)}


def work(session: dict[str, Any], reporter: Reporter, *, job: dict[str, Any], steps: int) -> dict[str, Any]:
    """In a worker: the rates for the first phase that fine-tunes.

    Raises:
        UsageError: the recipe has none.
    """
    from bakeoff.training.work import read, verified

    asked = Job(**job)
    recipe = loads(asked.recipe)
    phase = next((each for each in recipe.phases if isinstance(each, Finetune)), None)
    if phase is None:
        raise UsageError(f"the recipe {recipe.title!r} has no finetune phase, so no rate.\nAs: --phases finetune")
    data = read(asked, recipe, reporter)
    for lowest in (LOWEST, LOWEST / 100):  # wide layers under Adam learn, and are lost, at far lower rates than others
        rates, found = growing(lowest, steps), list[list[float]]()
        for sweep in range(SWEEPS):
            own = replace(asked, seed=key(asked.seed, "rate", record=sweep) % 2**32)
            context = Context(own, recipe, data, start(recipe, data, own.seed), Run(own.run), reporter)
            context = verified(context) if data.rules.bad_files == "exclude" else context
            found.append(swept(context, phase, rates, done=sweep * steps))
        losses = [float(np.mean(each)) for each in zip(*found, strict=False)]  # as far as all of them came
        rates = rates[: len(losses)]
        try:
            return Rates(tuple(rates), tuple(running(losses).tolist()), steepest(rates, losses)).to_json()
        except UsageError as error:
            refused = error
    raise refused


def growing(lowest: float, steps: int) -> list[float]:
    """The rates of a sweep, each larger than the one before by the same factor."""
    return [float(rate) for rate in np.geomspace(lowest, HIGHEST, steps)]


def swept(context: Context, phase: Finetune, rates: Sequence[float], *, done: int = 0) -> list[float]:
    """Losses of a net that is trained a step at each of some growing rates (Smith, 2017, arXiv:1506.01186, section 3.3)
    and thrown away, as far as there is something to see.

    Args:
        done: the steps of sweeps before this one.
    """
    graph = prepared(context.start.graph.astype(context.job.dtype), phase)
    chosen = planned(context, phase, graph)
    net = native(context, graph, phase)
    chosen.compile(net)
    net.seek(0)
    losses: list[float] = []
    for step, (rate, batch) in enumerate(zip(rates, _forever(context, phase), strict=False), 1):
        loss = float(_step(net, context, chosen, batch, rate))
        if not math.isfinite(loss):
            break
        losses.append(loss)
        note = f"rate {rate:.1e}  loss {loss:.3f}"
        context.reporter.progress("rates", done + step, SWEEPS * len(rates), note, unit="steps")
        means = running(losses)
        if means[-1] > BLOWN * means.min() and step > 11:
            break
    return losses


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Where the running mean of the losses falls most over log(rate), at most `SAFE` of the rate of the least loss.

    The first tenth is left out: there the mean is of few steps. Near the least loss a net is often lost for good (a
    relu that died), which a hundred steps don't show.

    Raises:
        UsageError: the loss falls most at an edge of what was tried, or not at all.
    """
    from scipy.ndimage import gaussian_filter1d

    first = len(rates) // 10
    least = int(np.argmin(gaussian_filter1d(losses, WIDTH, mode="nearest"))) if losses else 0
    end = int(np.argmin(running(losses))) + 1 if losses else 0
    slopes = np.gradient(running(losses)[first:end], np.log(rates[first:end])) if end > first + 2 else np.zeros(1)
    place = int(np.argmin(slopes))
    if slopes[place] >= 0 or not first < first + place or not first < least < len(rates) - 1:
        tried = f"{rates[0]:g} to {rates[-1]:.1g}" if rates else "none"
        raise UsageError(
            f"no rate can be told: the loss is least, or falls most, at an edge of what was tried ({tried}).\n"
            f"Try more steps: --steps {10 * max(len(rates), 20)}"
        )
    return min(float(rates[first + place]), SAFE * float(rates[least]))


def running(losses: Sequence[float]) -> Array:
    """Running means, corrected for their start."""
    found: list[float] = []
    mean = 0.0
    for step, loss in enumerate(losses, 1):
        mean = MEMORY * mean + (1 - MEMORY) * loss
        found.append(mean / (1 - MEMORY**step))
    return np.array(found)


def _step(net: Any, context: Context, chosen: Plan, batch: Batch, rate: float) -> float:
    losses: Array = net.steps([context.images(batch)], [chosen.targets.of(batch)], [rate])
    return float(losses[0])


def _forever(context: Context, phase: Finetune) -> Iterator[Batch]:
    for epoch in count():
        yield from context.batches(
            context.data.train, phase.batch_size, epoch=epoch, shuffle=True, drop_last=False, augment=True
        )
