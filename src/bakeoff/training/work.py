"""A training from start to end, in the process that computes."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bakeoff import frameworks, registry
from bakeoff.bundle import Bundle, described
from bakeoff.bundle import write as write_bundle
from bakeoff.data import Data
from bakeoff.data.assignment import FROZEN, digest_of, write_assignment
from bakeoff.data.labels import counts
from bakeoff.data.reader import address
from bakeoff.data.recipes import read_for
from bakeoff.errors import DataError, NoSpaceError
from bakeoff.evaluation.scores import score, threshold_of
from bakeoff.evaluation.tta import compared
from bakeoff.files import remove, space_for
from bakeoff.graph.graph import Graph, weights_sha256
from bakeoff.preprocessing import Signature
from bakeoff.recipe import loads
from bakeoff.recipe.schema import Probe, Recipe, Widen
from bakeoff.rundir.finished import scored
from bakeoff.rundir.folder import WORKERS, Run
from bakeoff.rundir.lock import RunLock
from bakeoff.rundir.machine import machine
from bakeoff.rundir.readers import read_lines
from bakeoff.rundir.result import BEGUN, NAME, Restart, Result, Unknown
from bakeoff.schemas import Predictions, Score
from bakeoff.shown import shell
from bakeoff.training import notify
from bakeoff.training.before import audit_before
from bakeoff.training.context import Context, PhaseResult
from bakeoff.training.gate import message, needless
from bakeoff.training.job import Job, check, computed_by, device_of, shared
from bakeoff.training.probe.features import cached
from bakeoff.training.rescue.resume import checkpointer_of, header_of, same_images
from bakeoff.training.setup import signature_of, start
from bakeoff.training.together import Place, joined, leads, same_data, same_weights
from bakeoff.training.unknown import unknown
from bakeoff.workers import profile
from bakeoff.workers.channel import Reporter
from bakeoff.workers.team import Team

JUDGED = ("validation", "test")


def work(
    session: dict[str, Any],
    reporter: Reporter,
    *,
    job: dict[str, Any],
    began: float,
    resume: bool = False,
    place: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train, evaluate, write the run folder; the object that `train --json` prints.

    Args:
        began: when the user's process started, seconds since 1970.
        resume: go on from the run's last checkpoint, or from its start where it has none.
        place: of several workers, this one's; only the first one's result is more than {}.
    """
    with joined(Job(**job), Place(**place) if place else None, reporter, resume=resume) as (asked, goes_on, team):
        return _work(asked, reporter, began, goes_on, team)


def _work(asked: Job, reporter: Reporter, began: float, resume: bool, team: Team | None) -> dict[str, Any]:
    recipe = shared(asked, loads(asked.recipe))
    check(asked, recipe)
    run = Run(asked.run)
    profile.begin(began)
    with RunLock(run.path):
        checkpointer = checkpointer_of(asked, run, began, resume=resume)
        with profile.stage("reading"):
            data = read(asked, recipe, reporter, signature_of(recipe))
        same_data(team, data)
        checkpointer.header = header_of(asked, data)
        with profile.stage("net"):
            begun = start(recipe, data, asked.seed)
        if begun.declared:
            reporter.log(f"not kept of its own training: {'; '.join(begun.declared)}")
        with profile.stage("decoding"):
            context = verified(Context(asked, recipe, data, begun, run, reporter, checkpointer, team))
        if resume:
            context = replace(context, data=same_images(run, context.data))
        try:
            return _train(context)
        finally:
            run.close()


def read(job: Job, recipe: Recipe, reporter: Reporter, signature: Signature | None = None) -> Data:
    """The images, split as the recipe says.

    Args:
        signature: for which pixels are made of what is read.

    Raises:
        DataError: of images with several labels: a class that no training image has.
    """
    found = read_for(
        recipe,
        job.data,
        job.seed,
        frozen=recipe.data.frozen,
        signature=signature,
        progress=lambda done, total: reporter.progress("reading", done, total),
    )
    for line in found.unused:
        reporter.log(line)
    shown = counts(found.train.labels, len(found.classes))
    if found.multilabel and not shown.all():
        name = found.classes[int(np.argmin(shown))]
        raise DataError(f"{found.path}: no training image is labelled {name!r}.\nAdd some, or remove the class.")
    return found


def verified(context: Context) -> Context:
    """With every image decoded once, so that all bad ones are named before anything is trained.

    The pixels are kept for what follows, as far as memory allows. Features that lie in the cache were decoded before.
    """
    features, phases = context.start.features, context.recipe.phases
    if features is not None and all(isinstance(phase, Probe) for phase in phases):
        views = {view for phase in phases if isinstance(phase, Probe) for view in phase.views}
        if all(cached(context, features, view) for view in views):
            return context
    data = context.data.verify(
        context.signature,
        workers=context.workers,
        progress=lambda done, total: context.reporter.progress("decoding", done, total),
    )
    return replace(context, data=data)


def _train(context: Context) -> dict[str, Any]:
    checkpointer = context.checkpointer
    with space_for(context.run.path / FROZEN, 256 * len(context.data)):
        write_assignment(context.run.path / FROZEN, context.data.manifest, context.data.assignment)
    context.run.json("manifest.json", _manifest(context.data))
    if leads(context):
        with profile.stage("audit"):
            audit_before(context)
    graph = _start_graph(context)
    device = context.job.device  # what `auto` comes to, is asked of the framework later: a probe goes before it
    unscored = _result(context, graph, {name: _scored(None, None) for name in JUDGED}, 0.5, device)
    about = described(_bundle(context, graph.astype(context.job.dtype), unscored, {}, machine()))
    context.run.json(BEGUN, {"bundle": about, "result": unscored.to_json()})
    notify.begin(context, graph)
    found: PhaseResult | None = None
    number, phases = checkpointer.phase, context.recipe.phases
    while number < len(phases):
        started, checkpointer.phase, name = time.perf_counter(), number, phases[number].strategy
        strategy = registry.load(f"bakeoff.training.{name}", "strategy")
        if len(phases) > 1:
            context.reporter.stage(number + 1, len(phases), name)
        with profile.stage(name):
            found = _run(strategy, context, graph, phases[number])
        context, graph, checkpointer.found = found.context or context, found.graph, None
        checkpointer.phases.append(_phase(name, found, time.perf_counter() - started))
        number = _after(context, number, found)
        if number < len(phases):
            checkpointer.phase = number
            checkpointer.between(graph.arrays())
            if "gate" not in found.notes:  # which has been said
                context.reporter.log(_standing(context, name, found))
    assert found is not None
    if context.team and context.team.collective:
        context.team.collective.close()
    if not leads(context):
        return {}
    context = replace(context, team=None)  # what comes now isn't shared
    with profile.stage("results"):
        result = _finish(context, graph, found.logits, found.mirrored)
    context.run.json(profile.FILE, {"wall_s": profile.spent()})
    return result


def _run(strategy: Any, context: Context, graph: Graph, phase: Any) -> PhaseResult:
    """A phase. Of several workers all train, evaluate and share; what else a phase does, the first does before them."""
    team = context.team
    if team is None or phase.strategy == "finetune":
        done: PhaseResult = strategy.run(context, graph, phase)
        return done
    with team.first_goes_ahead(phase.strategy):
        done = strategy.run(replace(context, team=None), graph, phase)
    other = done.context and replace(done.context, team=team)
    return replace(done, graph=same_weights(team, done.graph), context=other)


def _after(context: Context, number: int, found: PhaseResult) -> int:
    """The position of the phase that comes next; those between are left out, and it is said why."""
    for phase in context.recipe.phases[number + 1 :]:
        number += 1
        row = needless(phase, found)
        if row is None and isinstance(phase, Widen):
            row = registry.load("bakeoff.training.widen", "strategy").unfit(context, phase)
        if row is None:
            return number
        if "other" not in row:
            context.reporter.log(message(row, phase))
            skipped = {"name": phase.strategy, "wall_s": 0.0, "images_per_s": 0.0, "gate": row}
            context.checkpointer.phases.append(skipped)
    return number + 1


def _standing(context: Context, name: str, found: PhaseResult) -> str:
    """What a phase came to, and that it is there to be used while the next one is at work."""
    classes, threshold = context.data.classes, threshold_of(found.logits.get("validation"))
    scores = [f"{split} {scored(score(f, classes, threshold).to_json())}" for split, f in found.logits.items()]
    usable = f"; usable already: bakeoff predict {shell(context.run.path)} IMAGES"
    return f"{name}: {', '.join(scores)}{usable if context.checkpointer.every else ''}"


def _start_graph(context: Context) -> Graph:
    """The net before the phase that comes next: drawn, pretrained, from a bundle, or as the last phase left it."""
    graph, found = context.start.graph, context.checkpointer.found
    if found is not None:
        arrays = found.group("net")
        return graph.with_arrays(
            {path: array.astype(graph.parameters[path].array.dtype) for path, array in arrays.items()}
        )
    if context.job.start:
        from bakeoff.bundle import read as read_bundle

        graph = graph.with_arrays(read_bundle(context.job.start).graph.arrays())
    return graph


def _phase(name: str, found: PhaseResult, wall: float) -> dict[str, Any]:
    seconds = found.wall_s or wall
    return {"name": name, "wall_s": wall, "images_per_s": found.num_images / max(seconds, 1e-9), **found.notes}


def _finish(
    context: Context, graph: Graph, logits: dict[str, Predictions], mirrored: dict[str, Predictions]
) -> dict[str, Any]:
    classes, threshold = context.data.classes, threshold_of(logits.get("validation"))
    scores = {name: score(found, classes, threshold) for name, found in logits.items()}
    none, logits = unknown(context, graph, logits)
    for name, found in logits.items():
        context.run.predictions(name, found, context.data.manifest.paths[found.records])
    for name, found in mirrored.items():
        context.run.predictions(f"{name}-flip", found, context.data.manifest.paths[found.records])
    environment = {**machine(), **_framework_environment(context.job)}
    context.run.json("environment.json", environment)
    tta = {
        name: compared(logits[name], found, classes, context.recipe.evaluation.tta, threshold)
        for name, found in mirrored.items()
    }
    device = device_of(context.job, context.recipe)
    result = _result(
        context, graph, {name: _scored(scores.get(name), tta.get(name)) for name in JUDGED}, threshold, device
    )
    result = msgspec.structs.replace(result, unknown=none and Unknown(**none.to_json()))
    try:
        finished = replace(_bundle(context, graph, result, scores, environment), unknown=none)
        write_bundle(context.run.path / "bundle", finished)
    except DataError as error:
        raise NoSpaceError(str(error)) from None
    notify.end(context, scores, logits)
    plain = msgspec.structs.replace(result, wall_s=context.checkpointer.wall_s).to_json()
    context.run.json(NAME, plain)
    remove(context.run.path / BEGUN)
    return plain


def _bundle(
    context: Context, graph: Graph, result: Result, scores: dict[str, Score], environment: dict[str, str]
) -> Bundle:
    return Bundle(
        graph=graph,
        signature=context.signature,
        classes=context.data.classes,
        recipe_toml=context.job.recipe,
        scores={
            name: {"accuracy": s.accuracy, "num": s.num, s.choice: s.figures[s.choice]} for name, s in scores.items()
        },
        framework=result.framework,
        loss=context.start.loss,
        threshold=0.5 if result.threshold is None else result.threshold,
        extra={"environment": environment, "licence": context.start.licence},
    )


def _result(context: Context, graph: Graph, scored: dict[str, Any], threshold: float, device: str) -> Result:
    data, model, checkpointer = context.data, context.recipe.model, context.checkpointer
    return Result(
        run=str(context.run.path),
        data=address(context.job.data),
        framework=computed_by(context.job, context.recipe),
        model=model.name,
        backbone=model.backbone,
        classes=list(data.classes),
        num_train=len(data.train),
        num_validation=len(data.validation) if data.validation is not None else 0,
        num_test=len(data.test) if data.test is not None else 0,
        excluded=[path for path, _ in data.excluded],
        **scored,
        wall_s=0.0,
        phases=checkpointer.phases,
        best_epoch=next((p["best_epoch"] for p in reversed(checkpointer.phases) if "best_epoch" in p), None),
        resumed_from=checkpointer.resumed_from,
        weights_sha256=weights_sha256(graph.arrays()),
        parameters=graph.count(),
        loss=context.start.loss,
        threshold=threshold if data.multilabel else None,
        seed=context.job.seed,
        device=device,
        precision=context.job.precision,
        workers=context.job.workers,
        reduce=context.job.reduce if context.job.workers else None,
        restarts=[Restart(**row) for row in read_lines(context.run.path / WORKERS)],
    )


def _scored(found: Score | None, tta: dict[str, Any] | None) -> dict[str, Any]:
    return ({"accuracy": None} if found is None else found.to_json()) | ({"tta": tta} if tta else {})


def _manifest(data: Data) -> dict[str, Any]:
    return {
        "data": Path(data.path).name,
        "classes": list(data.classes),
        "fingerprint": data.fingerprint,
        "splits": {split.name: len(split) for split in data.splits.values()},
        "split_sha256": digest_of(data.manifest.sha256, data.assignment),
        "excluded": [{"path": path, "reason": reason} for path, reason in data.excluded],
    }


def _framework_environment(job: Job) -> dict[str, str]:
    import sys

    if job.framework == "onnxruntime" or not any(name in sys.modules for name in frameworks.LIBRARIES[job.framework]):
        return {}
    return frameworks.load(job.framework).environment()
