"""Unit costs, measured here: by as many workers as there are cores, at the same work at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from statistics import median
from typing import Any, cast

import numpy as np

from bakeoff import system
from bakeoff.errors import Cancelled
from bakeoff.files import workspace
from bakeoff.graph import Graph
from bakeoff.protocols import Net
from bakeoff.recipe import loads
from bakeoff.recipe.schema import Finetune
from bakeoff.rundir.folder import Run
from bakeoff.rundir.machine import machine
from bakeoff.scale.costs import Units, Wanted, forecast
from bakeoff.schemas import Array
from bakeoff.training.context import Context
from bakeoff.training.finetune.plan import Plan, planned
from bakeoff.training.finetune.strategy import native, prepared
from bakeoff.training.job import Job
from bakeoff.training.loop.epochs import Loop
from bakeoff.training.loop.sharded import Sharded, of_shard
from bakeoff.training.setup import start
from bakeoff.training.together import Place, joined
from bakeoff.workers.channel import Reporter
from bakeoff.workers.team import Team

LEAST_S, TIMES = 1.5, 7  # of each measurement: so long, and so often
SAMPLE = 64  # images that are decoded
BATCHES = 6  # that become input


def work(
    session: dict[str, Any],
    reporter: Reporter,
    *,
    job: dict[str, Any],
    began: float,
    place: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """In a worker: the units, as the first worker has them."""
    from bakeoff.training.work import read

    began = time.time() - began  # until here: the process, and its first imports
    with joined(Job(**job), Place(**place) if place else None, reporter, resume=False) as (asked, _, team):
        recipe = loads(asked.recipe)
        phase = next(phase for phase in recipe.phases if isinstance(phase, Finetune))
        reading = time.perf_counter()
        data = read(asked, recipe, reporter)
        reading = time.perf_counter() - reading
        context = Context(asked, recipe, data, start(recipe, data, asked.seed), Run(asked.run), reporter)
        found = {**_images(context, phase)}
        found |= _steps(context, phase, team or Team())
        whole, alone, first = (found.pop(name) for name in ("step_s", "step_alone_s", "first_s"))
        told: dict[str, Any] = {
            **found,
            "start_s": began + first,
            "read_s": reading / len(data),
            "machine": f"{machine()['system']}, {system.cpus()} cores",
            "framework": asked.framework,
            "recipe": recipe.title,
            "version": machine()["bakeoff"],
            "cores": system.cpus(),
            "shards": phase.shards,
            "batch_size": phase.batch_size,
            "epochs": phase.epochs,
            "training": len(data.train),
            "validation": 0 if data.validation is None else len(data.validation),
            "test": 0 if data.test is None else len(data.test),
        }
        units, world = Units(**told, loop_s=0.0, loop_alone_s=0.0), team.world if team else 1
        parts = [forecast(units, Wanted(workers=count)).step_s for count in (world, 1)]
        told |= {"loop_s": max(0.0, whole - parts[0]), "loop_alone_s": max(0.0, alone - parts[1])}
        return told


def _images(context: Context, phase: Finetune) -> dict[str, Any]:
    """Decoding, and from a decoded image to input."""
    train, count = context.data.train, min(SAMPLE, len(context.data.train))
    given: dict[str, Any] = {"signature": context.signature, "batch_size": count, "shuffle": False, "workers": 0}

    def decode() -> None:
        next(iter(train.batches(**given, cache="none")))

    decode()
    decoding = seconds(decode, times=3, least_s=0.2)
    for _ in range(2):  # at first they are decoded, and kept
        began = time.perf_counter()
        batches = list(islice(context.batches(train, phase.batch_size, augment=True), BATCHES))
        images = sum(len(context.images(batch)) for batch in batches)
        each = (time.perf_counter() - began) / images
    return {"decode_s": decoding / count, "input_s": each, "image_bytes": int(batches[0].images[0].nbytes)}


def _steps(context: Context, phase: Finetune, team: Team) -> dict[str, Any]:
    """Gradients of a shard, the optimizer's step, a prediction, an exchange."""
    began = time.perf_counter()
    graph = prepared(context.start.graph.astype(context.job.dtype), phase)
    net = native(context, graph, phase)
    plan = planned(context, phase, graph)
    plan.compile(net)
    batch = next(iter(context.batches(context.data.train, phase.batch_size)))
    assert phase.shards
    size = -(-len(batch.labels) // phase.shards)
    images, labels = context.images(batch), plan.targets.of(batch)
    x, y = images[:size], labels[:size]
    vector = _shard(net, x, y)
    sums = net.sums()
    first = time.perf_counter() - began

    def shard() -> None:
        _shard(net, x, y)

    def apply() -> None:
        net.load_sums(sums, len(y))
        net.apply(0.0)

    apply()
    net.logits(images)
    team.all("together", (None, []), patient=True)
    busy = seconds(shard)
    team.all("all are done", (None, []), patient=True)
    alone = seconds(shard) if team.rank == 0 else busy
    found = {
        "shard_s": busy if team.world > 1 else alone,
        "shard_alone_s": alone,
        "apply_s": seconds(apply, least_s=0.3),
        "forward_s": seconds(lambda: net.logits(images), least_s=0.5) / len(images),
        "vector_bytes": int(vector.nbytes),
        "memory_bytes": system.peak_memory() or 0,
        "first_s": first,
    }
    team.all("the exchange", (None, []), patient=True)
    found |= _exchange(team, vector)
    loop = _Whole(context, phase, graph, plan, net)
    found["step_s"] = loop.seconds(team)
    team.all("the loop", (None, []), patient=True)
    found["step_alone_s"] = loop.seconds(Team()) if team.rank == 0 else found["step_s"]
    team.all("the loop alone", (None, []), patient=True)
    return found


@dataclass(frozen=True)
class _Whole:
    """The training's own loop, run for some steps: what they take beyond their parts, it does around them."""

    context: Context
    phase: Finetune
    graph: Graph
    plan: Plan
    net: Net

    def seconds(self, team: Team) -> float:
        """Of a step, whole."""
        with workspace("plan") as folder:
            run = Run(folder / "run").create()
            self._run(run, team)  # whose images are decoded, and kept
            step = self._run(run, team)
            run.close()
        return step

    def _run(self, run: Run, team: Team) -> float:
        """Seconds of a step, over LEAST_S of them; the same images come again where there are few."""
        assert self.phase.shards
        reporter = Reporter()
        reporter.listen(_Stop(reporter))
        net = cast(Net, Sharded(self.net, team, self.phase.shards, reporter))
        context = replace(self.context, run=run, reporter=reporter, team=team)
        loop = Loop(context, net, self.phase, self.graph, self.plan)
        loop.begin()
        with suppress(Cancelled), reporter.in_step():
            while True:
                loop.steps()
                loop.state.batch = 0
        found: float = loop.state.seconds / max(1, loop.state.step)
        return found


class _Stop:
    """Asks a loop to stop once it has run for long enough."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter, self.began = reporter, time.perf_counter()

    def __call__(self, message: dict[str, Any]) -> None:
        if time.perf_counter() - self.began > LEAST_S:
            self.reporter.cancel()


def _shard(net: Net, images: Array, labels: Array) -> Array:
    """What a worker does for a shard; the statistics stay."""
    before = net.statistics()
    _, vector = of_shard(net, before, 0, images, labels)
    net.load_statistics(before)
    return vector


def _exchange(team: Team, vector: Array) -> dict[str, float]:
    """Of nothing, and of vectors; 0 where one works alone."""
    if team.world == 1:
        return {"exchange_s": 0.0, "vector_s": 0.0}

    def added(vectors: list[Any]) -> Any:
        whole = vectors[0][1][0]
        for _, (other,) in vectors[1:]:
            whole = np.add(whole, other, out=whole)
        return None, [whole]

    empty = [_timed(lambda: team.exchange("nothing", (None, []), lambda said: said[0])) for _ in range(50)]
    full = [_timed(lambda: team.exchange("vectors", (None, [vector.copy()]), added)) for _ in range(12)]
    least = median(empty)
    return {"exchange_s": least, "vector_s": max(0.0, median(full[2:]) - least) / (team.world - 1)}


def _timed(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def seconds(function: Callable[[], Any], *, times: int = TIMES, least_s: float = LEAST_S) -> float:
    """The median time of a call, over so many and so long."""
    found: list[float] = []
    while len(found) < times or (sum(found) < least_s and len(found) < 2000):
        found.append(_timed(function))
    return median(found)
