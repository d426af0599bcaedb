"""A training from start to end, in the process that computes."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff import registry
from bakeoff.bundle import Bundle
from bakeoff.bundle import write as write_bundle
from bakeoff.data import Data, read_data
from bakeoff.evaluate.scores import score
from bakeoff.graph.graph import Graph, weights_sha256
from bakeoff.recipe import loads
from bakeoff.recipe.schema import Probe, Recipe
from bakeoff.schemas import Predictions, Score
from bakeoff.train.channel import Reporter
from bakeoff.train.context import Context, PhaseResult
from bakeoff.train.features import cached
from bakeoff.train.job import Job, check
from bakeoff.train.run import Run, machine
from bakeoff.train.setup import start


def work(session: dict[str, Any], reporter: Reporter, *, job: dict[str, Any], began: float) -> dict[str, Any]:
    """Train, evaluate, write the run folder; the object that `train --json` prints.

    Args:
        began: when the user's process started, seconds since 1970.
    """
    asked = Job(**job)
    recipe = loads(asked.recipe)
    check(asked, recipe)
    data = read(asked, recipe, reporter)
    run = Run(asked.run)
    context = verified(Context(asked, recipe, data, start(recipe, data, asked.seed), run, reporter))
    try:
        return _train(context, began)
    finally:
        run.close()


def read(job: Job, recipe: Recipe, reporter: Reporter) -> Data:
    """The pictures, split as the recipe says."""
    shares = recipe.data.split
    return read_data(
        job.data,
        split=(shares.train, shares.validation, shares.test),
        seed=job.seed,
        bad_files=recipe.data.bad_files,
        progress=lambda done, total: reporter.progress("reading", done, total),
    )


def verified(context: Context) -> Context:
    """With every picture decoded once, so that all bad ones are named before anything is trained.

    The pixels are kept for what follows, as far as memory allows. Features that lie in the cache were decoded before.
    """
    probes = all(isinstance(phase, Probe) for phase in context.recipe.phases)
    if probes and context.start.features is not None and cached(context, context.start.features):
        return context
    data = context.data.verify(
        context.signature,
        workers=context.workers,
        progress=lambda done, total: context.reporter.progress("decoding", done, total),
    )
    return replace(context, data=data)


def _train(context: Context, began: float) -> dict[str, Any]:
    context.run.json("manifest.json", _manifest(context.data))
    graph = context.start.graph
    if context.job.start:
        from bakeoff.bundle import read as read_bundle

        graph = graph.with_arrays(read_bundle(context.job.start).graph.arrays())
    phases, logits, found = [], {}, None
    for phase in context.recipe.phases:
        started = time.perf_counter()
        strategy = registry.load("bakeoff.train.strategies", phase.strategy, what="strategy")
        found = strategy.run(context, graph, phase)
        graph, logits = found.graph, found.logits
        phases.append(_phase(phase.strategy, found, time.perf_counter() - started))
    assert found is not None
    return _finish(context, graph, logits, phases, began)


def _phase(name: str, found: PhaseResult, wall: float) -> dict[str, Any]:
    seconds = found.wall_s or wall
    return {"name": name, "wall_s": wall, "images_per_s": found.num_images / max(seconds, 1e-9), **found.notes}


def _finish(
    context: Context, graph: Graph, logits: dict[str, Predictions], phases: list[dict[str, Any]], began: float
) -> dict[str, Any]:
    classes = context.data.classes
    scores = {name: score(found, classes) for name, found in logits.items()}
    for name, found in logits.items():
        context.run.predictions(name, found, context.data.manifest.paths[found.records])
    environment = {**machine(), **_framework_environment(context.job)}
    context.run.json("environment.json", environment)
    result = _result(context, graph, scores, phases)
    bundle = Bundle(
        graph=graph,
        signature=context.signature,
        classes=classes,
        recipe_toml=context.job.recipe,
        scores={name: {"accuracy": s.accuracy, "num": s.num} for name, s in scores.items()},
        framework=context.job.framework,
        loss=context.recipe.model.loss,
        extra={"environment": environment, "licence": context.start.licence},
    )
    write_bundle(context.run.path / "bundle", bundle)
    result["wall_s"] = time.time() - began
    context.run.json("run.json", result)
    return result


def _result(context: Context, graph: Graph, scores: dict[str, Score], phases: list[dict[str, Any]]) -> dict[str, Any]:
    data, model = context.data, context.recipe.model
    return {
        "run": str(context.run.path),
        "data": str(Path(context.job.data).expanduser().resolve()),
        "framework": context.job.framework,
        "model": model.name,
        "backbone": model.backbone,
        "classes": list(data.classes),
        "num_train": len(data.train),
        "num_validation": len(data.validation) if data.validation is not None else 0,
        "num_test": len(data.test) if data.test is not None else 0,
        "excluded": [path for path, _ in data.excluded],
        "validation": _scored(scores.get("validation")),
        "test": _scored(scores.get("test")),
        "wall_s": 0.0,
        "phases": phases,
        "weights_sha256": weights_sha256(graph.arrays()),
        "parameters": graph.count(),
        "seed": context.job.seed,
        "device": context.job.device,
        "precision": context.job.precision,
    }


def _scored(found: Score | None) -> dict[str, Any]:
    if found is None:
        return {"accuracy": None}
    return {
        "accuracy": found.accuracy,
        "accuracy_interval": list(found.accuracy_interval),
        "num": found.num,
        "loss": found.loss,
    }


def _manifest(data: Data) -> dict[str, Any]:
    return {
        "data": Path(data.path).name,
        "classes": list(data.classes),
        "fingerprint": data.fingerprint,
        "splits": {split.name: len(split) for split in data.splits.values()},
        "excluded": [{"path": path, "reason": reason} for path, reason in data.excluded],
    }


def _framework_environment(job: Job) -> dict[str, str]:
    import sys

    from bakeoff import frameworks

    if job.framework == "onnxruntime" or not any(name in sys.modules for name in frameworks.LIBRARIES[job.framework]):
        return {}
    return frameworks.load(job.framework).environment()
