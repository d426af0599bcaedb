"""What loggers are shown of a training beside its rows: net and images, arrays after each epoch, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.graph import Graph
from bakeoff.rundir.loggers import Loggers
from bakeoff.schemas import Predictions, Score
from bakeoff.training.context import Context
from bakeoff.training.loggers import logger

if TYPE_CHECKING:
    from bakeoff.training.loop.epochs import Loop

IMAGES = 25


def begin(context: Context, graph: Graph) -> None:
    """Start the loggers that the job asks for, and show them the net."""
    asked = context.job.loggers
    if not asked:
        return
    path, resumed = context.run.path, context.checkpointer.resumed_from
    found = [(name, logger(name).start(path, resumed)) for name in asked]
    context.run.loggers = Loggers(found, context.reporter.log)
    first = next(iter(context.batches(context.data.train, IMAGES, shuffle=True, augment=True)))
    context.run.loggers.tell("begin", graph, first.images)


def epoch(loop: Loop) -> None:
    """Weights, and the gradients of a batch; the training goes on as if nobody had looked."""
    loggers = loop.context.run.loggers
    if not loggers:
        return
    net, size = loop.net, min(loop.phase.batch_size, len(loop.context.data.train))
    before = net.arrays()
    batch = next(iter(loop.context.batches(loop.context.data.train, size)))
    net.gradients(loop.context.images(batch), loop.labels(batch))
    gradients = net.gradient_arrays()
    net.forget()
    net.load(before)  # running statistics have moved
    net.seek(loop.state.noise)
    loggers.tell("epoch", loop.state.step, before, gradients)


def end(context: Context, scores: dict[str, Score], logits: dict[str, Predictions]) -> None:
    """Final figures; the predictions of the test set, or of the validation set where there is none."""
    loggers = context.run.loggers
    if not loggers:
        return
    figures: dict[str, float] = {}
    for split, found in scores.items():
        figures |= {f"{split}/{name}": value for name, value in found.figures.items() if value is not None}
    loggers.tell("end", figures, logits.get("test") or logits.get("validation"), context.data.classes)
    loggers.tell("close")
