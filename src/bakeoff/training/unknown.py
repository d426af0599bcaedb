"""At the end of a training: from which similarity on an image is of a class that the model knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bakeoff.bundle.layout import Unknown
from bakeoff.evaluation.unknown import fit, similarity
from bakeoff.graph import Graph
from bakeoff.graph.similarity import features_of
from bakeoff.schemas import Array, Predictions
from bakeoff.training.context import Context, predict_split
from bakeoff.training.job import device_of
from bakeoff.training.probe.engines import at_hand
from bakeoff.training.probe.features import cached, features


def unknown(
    context: Context, graph: Graph, logits: dict[str, Predictions]
) -> tuple[Unknown | None, dict[str, Predictions]]:
    """What the bundle says of it, and the predictions with their similarities.

    None where the model may give no label anyway, where there are too few validation images, and where the net doesn't
    end in a dense layer.

    Args:
        graph: as it was trained.
        logits: by split.
    """
    body, judged = features_of(graph), logits.get("validation")
    if body is None or judged is None or context.data.multilabel:
        return None, logits
    rows = _rows(context, body, logits)
    fitted = fit(rows["validation"], judged.labels, len(context.data.classes))
    if fitted is None:
        return None, logits
    found, own = fitted
    near = {name: own if name == "validation" else similarity(rows[name], found.means) for name in logits}
    told = {name: replace(one, similarity=near[name].astype(np.float32)) for name, one in logits.items()}
    return found, told


def _rows(context: Context, body: Graph, logits: dict[str, Predictions]) -> dict[str, Array]:
    """The features of each split, in the order of its predictions: those of a probe are there, others are computed."""
    if device_of(context.job, context.recipe) == "cpu" and cached(context, body):
        rows, _ = features(context, body)
        return {name: rows[found.records] for name, found in logits.items()}
    engine = at_hand(context, body.astype("float32"))  # ONNX Runtime has no convolution in float64
    splits = context.data.splits
    return {name: predict_split(context, splits[name], engine.predict, 16, "similarity").logits for name in logits}
