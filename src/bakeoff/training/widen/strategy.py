"""widen: a linear head on the features of several backbones, in place of the net so far where it is better."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from bakeoff.graph import Graph
from bakeoff.recipe.schema import Probe, Recipe, Widen
from bakeoff.runtimes import onnxruntime
from bakeoff.training.budget import missing
from bakeoff.training.context import Context, PhaseResult
from bakeoff.training.finetune.strategy import timed
from bakeoff.training.gate import compared, message
from bakeoff.training.probe import strategy as probe
from bakeoff.training.probe.features import cached
from bakeoff.training.setup import start
from bakeoff.workers.progress import seconds

SAMPLE = 4  # images that are timed


def run(context: Context, graph: Graph, phase: Widen) -> PhaseResult:
    """The better one by the validation images: the net as it is, or the wider one; its context comes with it."""
    old = probe.predictions(context, graph)
    recipe = widened(context.recipe, phase)
    wider = replace(context, recipe=recipe, start=start(recipe, context.data, context.job.seed))
    _forecast(wider)
    found = probe.run(wider, wider.start.graph, next(one for one in recipe.phases if isinstance(one, Probe)))
    row = compared(found.logits["validation"], old["validation"], phase.keep_confidence)
    context.reporter.log(message(row, phase))
    notes = {**found.notes, "backbone": phase.backbone, "gate": row}
    if row["kept"]:
        return replace(found, notes=notes, context=wider)
    return PhaseResult(
        graph, found.num_images, logits=old, mirrored=probe.mirror_images(context, graph, old), notes=notes
    )


def widened(recipe: Recipe, phase: Widen) -> Recipe:
    """With more backbones."""
    return msgspec.structs.replace(recipe, model=msgspec.structs.replace(recipe.model, backbone=phase.backbone))


def unfit(context: Context, phase: Widen) -> dict[str, Any] | None:
    """Why it isn't tried: weights that aren't installed, or a recipe of other backbones."""
    model = context.recipe.model
    if context.job.start or model.until is not None or model.backbone not in phase.backbone.split("+"):
        return {"kept": False, "num": 0, "other": True}
    extra = missing(widened(context.recipe, phase))
    return {"kept": False, "num": 0, "extra": extra} if extra else None


def _forecast(wider: Context) -> None:
    features, data = wider.start.features, wider.data
    assert features is not None
    if cached(wider, features):
        return
    images = wider.images(next(iter(wider.batches(data.train, SAMPLE))))
    session = onnxruntime.from_graph(features, threads=wider.workers)
    session.predict(images)
    _, each = timed(session.predict, images)
    count = (wider.recipe.model.backbone or "").count("+") + 1
    wider.reporter.log(f"{count} backbones: about {seconds(each / len(images) * len(data))} more")
