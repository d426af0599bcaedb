"""What to say of numbers that are not finite: where they came up first, in which step, from which images.

The loop looks at losses alone, chunk by chunk: that costs nothing. When one is not finite, the steps since the last
checkpoint are taken again, one by one and with open eyes, and stop before the update that would have spoiled the net.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.errors import BakeoffError, NotFiniteError
from bakeoff.graph import Graph, interpreter, passes
from bakeoff.ops._page import Mode
from bakeoff.rundir.checkpoint import load
from bakeoff.schemas import Array, Batch

if TYPE_CHECKING:
    from bakeoff.training.loop.epochs import Loop

MOST_STEPS = 5000  # taken again
LOOKED_AT = 8  # images that go through NumPy


def loss(loop: Loop, value: float, bad: int, chunk: list[Batch]) -> NotFiniteError:
    """The error for a loss of `value` at the step `bad` of a chunk."""
    step, batch = loop.state.step + bad, chunk[min(bad, len(chunk) - 1)]
    epoch = loop.state.epoch + 1
    found = _again(loop, step)
    if found is not None:
        return found
    place = f"(epoch {epoch}, records {batch.records[:5].tolist()}...)"
    return NotFiniteError(f"training stopped: the loss is {value} at step {step} {place}.\n{advice(loop)}")


def weights(loop: Loop) -> NotFiniteError:
    """The error for a net that isn't worth saving, though no loss has told of it yet."""
    step = loop.state.step
    found = _again(loop, step)
    return found or NotFiniteError(f"training stopped: weights are not finite after step {step}.\n{advice(loop)}")


def rate(loop: Loop, value: float, step: int) -> NotFiniteError:
    """The error for a rate that is no number."""
    name = loop.phase.schedule.name
    return NotFiniteError(
        f"training stopped before step {step} (epoch {loop.state.epoch + 1}): the schedule {name} gives a rate of "
        f"{value}.\n{_kept(loop)}"
    )


def advice(loop: Loop) -> str:
    """What stands, and what to try."""
    number = loop.context.recipe.phases.index(loop.phase)
    return f"{_kept(loop)}Use a smaller rate: --set phases.{number}.schedule.peak={loop.phase.schedule.peak / 10:.0e}"


def _kept(loop: Loop) -> str:
    step = loop.context.checkpointer.last_step
    return "" if step is None else f"The checkpoint of step {step} stands. "


def _again(loop: Loop, until: int) -> NotFiniteError | None:
    """Take the steps since the last checkpoint again, up to and with `until`; None where nothing comes up."""
    if loop.graph is None:
        return None
    try:
        found = load(loop.context.run.path)
    except BakeoffError:
        found = None
    here = found is not None and found.meta["phase"] == loop.context.checkpointer.phase
    first = found.meta["state"]["step"] if found is not None and here else 0
    if until - first > MOST_STEPS:
        return None
    loop.context.reporter.log("a number is not finite: looking for where it came up")
    loop.begin()
    if found is not None and here:
        loop.restore(found)
    loop.net.seek(loop.state.noise)
    return _walk(loop, until)


def _walk(loop: Loop, until: int) -> NotFiniteError | None:
    state, size = loop.state, loop.phase.accumulate
    while state.step <= until and state.epoch < loop.phase.epochs:
        batches = loop.batches()
        while micro := [batch for batch, _ in zip(batches, range(size), strict=False)]:
            error = _step(loop, micro)
            if error is not None or state.step > until:
                return error
            state.step, state.batch, state.noise = state.step + 1, state.batch + len(micro), state.noise + len(micro)
        state.next_epoch()
    return None


def _step(loop: Loop, micro: list[Batch]) -> NotFiniteError | None:
    """One step, stopped before the update where something isn't finite."""
    net, step = loop.net, loop.state.step
    for batch in micro:
        images, labels = loop.context.images(batch), loop.labels(batch)
        what = _unfit(images, labels, batch) or _not_finite(net.arrays(), "the weights of {}")
        result = None if what else net.gradients(images, labels)
        if result is not None and not math.isfinite(result.loss):
            what = f"the loss is {result.loss}; {_layer(loop, images, labels)}"
        if result is not None and not what:
            what = _not_finite(net.gradient_arrays(), "the gradient of {}", backwards=True)
        if what:
            place = f"step {step} (epoch {loop.state.epoch + 1}, records {batch.records[:5].tolist()}...)"
            return NotFiniteError(f"training stopped before the update of {place}: {what}.\n{advice(loop)}")
    net.apply(loop.rate(step))
    what = _not_finite(net.arrays(), "the weights of {}")
    if what is None:
        return None
    place = f"step {step} (epoch {loop.state.epoch + 1})"
    return NotFiniteError(
        f"training stopped: the update of {place}, with a rate of {loop.rate(step):.3g}, would leave {what} not "
        f"finite.\n{advice(loop)}"
    )


def _unfit(images: Array, labels: Array, batch: Batch) -> str | None:
    for what, array in (("image", images), ("label", labels)):
        if np.issubdtype(array.dtype, np.floating):
            rows = ~np.isfinite(array.reshape(len(array), -1)).all(1)
            if rows.any():
                return f"the {what} of record {int(batch.records[int(np.argmax(rows))])} is not finite"
    return None


def _not_finite(arrays: Mapping[str, Array], what: str, *, backwards: bool = False) -> str | None:
    paths = [path for path, array in arrays.items() if not np.isfinite(array).all()]
    return what.format(paths[-1 if backwards else 0]) if paths else None


def _layer(loop: Loop, images: Array, labels: Array) -> str:
    """The first layer whose values aren't finite, in NumPy."""
    graph: Graph | None = loop.graph
    assert graph is not None
    logits = loop.net.logits(images)
    bad = np.flatnonzero(~np.isfinite(logits.reshape(len(logits), -1)).all(1))
    rows = np.concatenate([bad, np.setdiff1d(np.arange(len(images)), bad)])[:LOOKED_AT]
    arrays = {path: array.astype(images.dtype) for path, array in loop.net.arrays().items()}
    graph = passes.without_noise(graph).astype(str(images.dtype)).with_arrays(arrays)
    for train in (True, False):
        with np.errstate(all="ignore"):
            values = interpreter.trace(graph, images[rows], Mode(train))
        for node in graph.nodes:
            if any(not np.isfinite(array).all() for ref, array in values.items() if ref.node == node.id):
                return f"the first layer that is not finite is {node.name}"
    return "all layers are finite"
