"""probe: a linear head on frozen features, each seen once; L-BFGS, regularisation by cross-validation."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib import import_module
from threading import Thread

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.graph import Graph
from bakeoff.recipe.schema import Probe
from bakeoff.schemas import Array, Predictions
from bakeoff.training.context import Context, PhaseResult
from bakeoff.training.finetune.plan import class_weights
from bakeoff.training.probe import logistic
from bakeoff.training.probe.engines import noted
from bakeoff.training.probe.features import features
from bakeoff.training.setup import HEAD
from bakeoff.workers.profile import stage

FOLDS = "probe-folds"  # predictions of the training images, each by a head that was made without it


def run(context: Context, graph: Graph, phase: Probe) -> PhaseResult:
    """Features of every image, a head from those of the training set, logits of the others.

    Raises:
        UsageError: the model has no backbone, or there are more or fewer class weights than classes.
    """
    began = time.perf_counter()
    Thread(target=import_module, args=("scipy.optimize",), name="bakeoff-import").start()  # features leave Python idle
    backbone, train = _backbone(context, graph), context.data.train
    weights = class_weights(phase, train)
    rows, cached = features(context, backbone)
    views, all_cached = [rows[train.indices]], cached
    for view in (view for view in phase.views if view != "plain"):
        others, cached = features(context, backbone, view)
        views.append(others[train.indices])
        all_cached = all_cached and cached
    computed = time.perf_counter()
    context.reporter.progress("head", 0, 1, unit="fits")
    with stage("head"):
        head = logistic.fit(
            np.concatenate(views) if len(views) > 1 else views[0],
            train.labels,
            len(train.classes),
            penalties=phase.penalties,
            folds=phase.folds,
            seed=context.job.seed,
            max_iterations=phase.max_iterations,
            views=len(views),
            class_weights=weights,
            cooled=phase.temperature == "folds",
            progress=lambda done, total: context.reporter.progress("head", done, total, unit="fits"),
        )
    if head.held is not None:
        held = Predictions(head.held.astype("float32"), train.labels, train.indices)
        context.run.predictions(FOLDS, held, context.data.manifest.paths[train.indices])
    for step, loss in enumerate(head.losses):
        context.run.line("metrics.jsonl", {"phase": "probe", "step": step, "loss": loss})
    context.run.close()
    new = with_head_weights(graph, head)
    logits = predictions(context, new)
    mirrored = mirror_images(context, new, logits)
    notes = {
        "penalty": head.penalty,
        "temperature": head.temperature,
        "cross_validation": {str(c): score for c, score in head.scores.items()},
        "features": {
            "cached": all_cached,
            "views": list(phase.views),
            **noted(context),
            "dimensions": int(rows.shape[1]),
            "wall_s": computed - began,
        },
        "head_wall_s": time.perf_counter() - computed,
    }
    return PhaseResult(new, len(rows) * len(views), logits=logits, mirrored=mirrored, notes=notes)


def predictions(context: Context, graph: Graph) -> dict[str, Predictions]:
    """Of a linear head on the backbone's features, of every split but the training set."""
    rows, _ = features(context, _backbone(context, graph))
    return {
        split.name: Predictions(_logits(graph, rows[split.indices]), split.labels, split.indices)
        for split in context.data.splits.values()
        if split.name != "train"
    }


def mirror_images(context: Context, graph: Graph, plain: dict[str, Predictions]) -> dict[str, Predictions]:
    """The same of mirrored images, where the recipe asks for them."""
    if context.recipe.evaluation.tta != "flip":
        return {}
    rows, _ = features(context, _backbone(context, graph), "flip")
    return {name: replace(found, logits=_logits(graph, rows[found.records])) for name, found in plain.items()}


def _backbone(context: Context, graph: Graph) -> Graph:
    """What gives the features, with the weights that the net has now."""
    backbone = context.start.features
    if backbone is None:
        raise UsageError(
            "the phase `probe` needs a pretrained backbone, and this recipe trains a net from scratch.\n"
            "Use --recipe photos, or --phases finetune."
        )
    return backbone.with_arrays({path: graph.parameters[path].array for path in backbone.parameters})


def with_head_weights(graph: Graph, head: logistic.Head) -> Graph:
    """The graph with the head's numbers; one logit where the net has one."""
    kernel, bias = head.kernel, head.bias
    outputs = graph.output_shape[-1]
    if outputs == 1 and kernel.shape[1] == 2:
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    arrays = {f"{HEAD}.kernel": kernel, f"{HEAD}.bias": bias}
    dtype = {path: graph.parameters[path].array.dtype for path in arrays}
    return graph.with_arrays({path: array.astype(dtype[path]) for path, array in arrays.items()})


def _logits(graph: Graph, rows: Array) -> Array:
    kernel, bias = (graph.parameters[f"{HEAD}.{slot}"].array for slot in ("kernel", "bias"))
    found: Array = rows @ kernel + bias
    return found
