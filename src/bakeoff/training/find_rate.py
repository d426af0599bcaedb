"""`find_rate`: what the command and the Python API both call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bakeoff.errors import UsageError
from bakeoff.given import held
from bakeoff.recipe import to_toml
from bakeoff.recipe.schema import Recipe
from bakeoff.training.api import choose_framework, resolve
from bakeoff.training.job import Job, check
from bakeoff.training.rate_finder import STEPS, Rates
from bakeoff.workers.channel import Listener
from bakeoff.workers.launch import Worker
from bakeoff.workers.progress import live

LEAST = 10  # steps of a sweep


@held
@live()
def find_rate(
    data: str | Path,
    recipe: str | Recipe = "photos",
    *,
    framework: str | None = None,
    overrides: Sequence[str] = (),
    phases: Sequence[str] = (),
    seed: int | None = None,
    steps: int = STEPS,
    threads: int | None = None,
    listen: Listener | None = None,
    quiet: bool = False,
) -> Rates:
    """A rate to train with, for the first phase of a recipe that fine-tunes; nothing is kept.

    Three times a net is trained for some steps at rates that grow from 1e-6 to 1, and thrown away (L. Smith 2017); the
    mean of their losses is judged.

    Args:
        data: images, as for `train`.
        recipe, framework, overrides, phases, seed, quiet: as for `train`; threads, listen: as for its `Options`.
        steps: of each of the three, 10 or more.

    Raises:
        UsageError: no phase that fine-tunes, too few steps, or a loss that tells no rate.
        DataError: the images can't be used.
    """
    if steps < LEAST:
        raise UsageError(f"--steps {steps}: expected {LEAST} or more.")
    chosen = resolve(recipe, overrides=overrides, phases=phases, seed=seed)
    name = choose_framework(framework, chosen)
    job = Job(str(data), to_toml(chosen), name, ".", chosen.seed, threads=threads)
    check(job, chosen)
    with Worker(job.framework, threads=threads) as worker:
        found = worker.call("bakeoff.training.rate_finder:work", listen, job=job.to_json(), steps=steps)
    number = next(index for index, phase in enumerate(chosen.phases) if phase.strategy == "finetune")
    rates, losses = (tuple(found[key]) for key in ("rates", "losses"))
    return Rates(rates, losses, found["rate"], f"phases.{number}.schedule.peak={found['rate']:.1e}")
