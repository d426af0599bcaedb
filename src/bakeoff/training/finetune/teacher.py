"""A teacher for distillation: what a trained net says of each image, softened."""

from __future__ import annotations

import numpy as np

from bakeoff.bundle import read
from bakeoff.errors import UsageError
from bakeoff.evaluation.kinds import of
from bakeoff.preprocessing.normalize import normalize
from bakeoff.recipe.schema import Finetune
from bakeoff.runtimes import onnxruntime
from bakeoff.schemas import Array, Batch
from bakeoff.training.context import Context
from bakeoff.training.finetune.plan import Teacher

BATCH = 64


def teacher(context: Context, phase: Finetune) -> Teacher | None:
    """The teacher that the phase names; None where it names none.

    Where images aren't varied, each is asked about once, at the teacher's own size; else with every batch, and then
    both nets must take images of one size.

    Raises:
        UsageError: it knows other classes, or takes images of another size than those that are varied.
    """
    if phase.teacher is None:
        return None
    bundle = read(phase.teacher)
    if tuple(bundle.classes) != tuple(context.data.classes):
        raise UsageError(
            f"teacher {phase.teacher}: it knows {', '.join(bundle.classes[:5])}...; the images are "
            f"{', '.join(context.data.classes[:5])}....\nExpected the same classes."
        )
    runtime = onnxruntime.from_graph(bundle.graph, threads=context.workers)

    def answers(images: Array) -> Array:
        return softened(np.asarray(runtime.predict(normalize(images, bundle.signature, "float32"))), phase.temperature)

    if context.augmentation.operations:
        theirs, ours = bundle.signature, context.signature
        if (theirs.size, theirs.channels) != (ours.size, ours.channels):
            raise UsageError(
                f"teacher {phase.teacher}: takes {theirs.size} pixels, and varied images have {ours.size}.\n"
                "Use one size, or --set augment.preset=none."
            )
        return lambda batch: answers(batch.images)
    known = np.zeros((len(context.data), len(context.data.classes)))
    train, done = context.data.train, 0
    batches = train.batches(signature=bundle.signature, batch_size=BATCH, workers=context.workers, shuffle=False)
    for batch in batches:
        known[batch.records] = answers(batch.images)
        done += len(batch.records)
        context.reporter.progress("teacher", done, len(train))

    def remembered(batch: Batch) -> Array:
        found: Array = known[batch.records]
        return found

    return remembered


def softened(logits: Array, temperature: float) -> Array:
    """softmax(logits / temperature), (N, classes); one logit z counts as (0, z)."""
    return of(multilabel=False, outputs=logits.shape[1]).probabilities(logits.astype("float64") / temperature)
