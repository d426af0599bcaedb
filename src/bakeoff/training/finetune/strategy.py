"""finetune: the framework's own optimizer steps, from start weights or from where the last phase ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import msgspec

from bakeoff import frameworks
from bakeoff.errors import BakeoffError, UsageError
from bakeoff.evaluation.tta import mirrored
from bakeoff.graph import Graph, Ref, passes, trainable
from bakeoff.protocols import Net
from bakeoff.recipe.schema import Finetune
from bakeoff.schemas import Array, Predictions
from bakeoff.seeds import key
from bakeoff.texts.catalogue import framework as named
from bakeoff.training.context import Context, PhaseResult, predict_split
from bakeoff.training.finetune.boundary import Halves, activated, halves, too_large, worth_it
from bakeoff.training.finetune.compiling import settled, untouched
from bakeoff.training.finetune.plan import planned
from bakeoff.training.finetune.teacher import teacher
from bakeoff.training.loop.epochs import Loop
from bakeoff.training.loop.native import Native
from bakeoff.training.loop.sharded import Sharded
from bakeoff.training.loop.threads import threads_for
from bakeoff.training.probe import engines
from bakeoff.training.setup import start
from bakeoff.workers.progress import seconds
from bakeoff.workers.team import Team


def prepared(graph: Graph, phase: Finetune) -> Graph:
    """The graph with what the phase freezes frozen.

    Raises:
        UsageError: nothing is left to train.
    """
    if phase.freeze:
        graph = trainable.freeze(graph, phase.freeze)
    if phase.batch_norm == "frozen":
        graph = trainable.freeze_statistics(graph)
    if phase.freeze:
        graph = quiet(graph)
    if not any(parameter.trainable and parameter.role == "weight" for parameter in graph.parameters.values()):
        raise UsageError(
            f"freeze {list(phase.freeze)} leaves no weight to train; expected at least one.\n"
            "Freeze less: fewer names in the phase's `freeze`, or [] for none."
        )
    return graph


def quiet(graph: Graph) -> Graph:
    """No masks before the first layer that is trained: noise is for weights that learn."""
    trained: set[str] = set()
    for node in graph.nodes:
        paths = [path for path in node.parameters.values() if isinstance(path, str)]
        sources = [*node.inputs, *(ref for ref in node.parameters.values() if isinstance(ref, Ref))]
        if any(graph.parameters[path].trainable for path in paths) or any(ref.node in trained for ref in sources):
            trained.add(node.id)
    return passes.without_noise(graph, {node.id for node in graph.nodes} - trained)


def check_batches(graph: Graph, phase: Finetune, count: int) -> None:
    """Refuse a batch that leaves a batch norm one value per channel: it has no variance.

    PyTorch stops at such a batch; Keras goes on, and its running variance is NaN from there.

    Args:
        count: training images.

    Raises:
        UsageError: the phase has such a batch.
    """
    last = 0 if phase.drop_last else count % phase.batch_size
    batches, shards = (min(phase.batch_size, count), last), phase.shards or 1
    if phase.batch_norm == "synchronised":
        if 0 < last < shards:
            raise UsageError(
                f"the last batch has {last} images for {shards} workers ({count} in batches of {phase.batch_size}); "
                'batch_norm = "synchronised" needs one for each.\nUse another batch_size, or drop_last = true.'
            )
        shards = 1
    if 1 not in [size // shards + more for size in batches for more in (0, size % shards > 0)]:
        return
    for node in graph.nodes:
        if node.op == "batch_norm" and node.keeps_state:  # it divides by the variance of the batch
            elements = graph.shapes[node.inputs[0]][1:-1]
            if all(size == 1 for size in elements):
                raise UsageError(
                    f"a {'shard' if shards > 1 else 'batch'} of 1 image ({count} in batches of {phase.batch_size}) "
                    f"leaves {node.name} one value per channel; a batch norm needs two.\n"
                    'Use another batch_size, or drop_last = true, or batch_norm = "frozen".'
                )


def run(context: Context, graph: Graph, phase: Finetune) -> PhaseResult:
    """Train for the phase's epochs; logits of the other splits come from the trained net itself."""
    context, sized = at_size(context, graph, phase)
    whole = prepared(sized.astype(context.job.dtype), phase)
    check_batches(whole, phase, len(context.data.train))
    chosen = planned(context, phase, whole, teacher(context, phase))
    seen, cut = context, behind_frozen(context, whole, phase)
    trained = cut.trained if cut else whole
    net = native(context, trained, phase)
    if phase.shards:
        net = _dealt(context, phase, net, context.team or Team())
    loop = Loop(context, net, phase, trained, chosen)
    loop.outer = {path: array for path, array in whole.arrays().items() if path not in trained.parameters}
    loop.begin()
    loop.context = context = fed(loop, cut)
    notes: dict[str, Any] = {"compile": settled(loop)}
    if context.checkpointer.found is not None:
        loop.restore(context.checkpointer.found)
    with context.reporter.in_step() if phase.shards else nullcontext():
        notes |= loop.run()
    notes |= {"cached_activations": cut is not None}
    judged = net if context.job.precision == context.job.dtype else exact(context, trained, phase, net)
    size = context.recipe.evaluation.batch_size
    logits: dict[str, Predictions] = {
        s.name: predict_split(context, s, judged.logits, size)
        for s in context.data.splits.values()
        if s.name != "train"
    }
    if context.recipe.evaluation.tta == "flip" and phase is context.recipe.phases[-1] and cut:
        whole = whole.with_arrays(net.arrays())
        judged = native(seen, whole, phase, context.job.dtype)  # mirrored images have no activations at hand
    views = mirrored_logits(seen, judged, phase)
    trained_s = sum(loop.state.epoch_seconds)
    return PhaseResult(graph.with_arrays(net.arrays()), loop.state.seen, trained_s, logits, views, notes)


def _dealt(context: Context, phase: Finetune, net: Net, team: Team) -> Net:
    """The net as one of the team sees it."""
    native, shards, reporter = context.job.reduce == "native", phase.shards or 1, context.reporter
    reporter.log(_told(phase, team.world) + ("; the framework adds" if native else ""))
    if native and team.collective is not None and phase.batch_norm == "synchronised":
        cast(Any, team.collective).synchronise(net)
    return cast(Net, Native(net, team, reporter) if native else Sharded(net, team, shards, reporter))


def _told(phase: Finetune, world: int) -> str:
    """What of a batch goes to whom, in words."""
    shards, size = phase.shards or 1, phase.batch_size
    each = f"{size // shards} or {size // shards + 1}" if size % shards else f"{size // shards}"
    rate = f"rate {phase.schedule.peak:g} for all of it"
    return (
        f"a batch of {size} images is {shards} shards of {each}, {shards // world} for each of {world} workers; {rate}"
    )


def mirrored_logits(context: Context, net: Net, phase: Finetune) -> dict[str, Predictions]:
    """Predictions of mirrored images after the last phase, where the recipe asks for them."""
    if context.recipe.evaluation.tta != "flip" or phase is not context.recipe.phases[-1]:
        return {}
    size, splits = context.recipe.evaluation.batch_size, context.data.splits.values()
    return {
        s.name: predict_split(context, s, lambda images: net.logits(mirrored(images)), size, "mirrored")
        for s in splits
        if s.name != "train"
    }


def at_size(context: Context, graph: Graph, phase: Finetune) -> tuple[Context, Graph]:
    """Context and net for the phase's own size of images, where it has one.

    Raises:
        UsageError: the net's weights depend on the size of the image.
    """
    if phase.size is None:
        return context, graph
    recipe = msgspec.structs.replace(
        context.recipe, input=msgspec.structs.replace(context.recipe.input, size=phase.size, resize_to=None)
    )
    other = start(recipe, context.data, context.job.seed)
    try:
        resized = other.graph.with_arrays(graph.arrays())
    except BakeoffError as error:
        raise UsageError(
            f"size {list(phase.size)}: {error}.\nOnly nets that average over the image can be trained at other sizes."
        ) from None
    return replace(context, start=other), resized


def behind_frozen(context: Context, whole: Graph, phase: Finetune) -> Halves | None:
    """The net in two where its frozen layers are computed once; None where nothing would be won, or it can't be."""
    views = context.augmentation.views
    if phase.shards or phase.cache == "off" or (views or 1) > phase.epochs or (found := halves(whole)) is None:
        return None
    if not worth_it(found, whole):
        return None
    why = "images are varied by more than flips" if views is None else too_large(found, context)
    if why:
        context.reporter.log(f"the frozen layers are computed anew in every epoch: {why}")
    return None if why else found


def fed(loop: Loop, cut: Halves | None) -> Context:
    """What the loop takes its batches from: images, or what the frozen half gives for them.

    Before that is computed, a phase that may as well be left out says how long it will take, by a batch of it here.
    """
    context, phase, train, frozen_s = loop.context, loop.phase, loop.context.data.train, 0.0
    first = next(iter(context.batches(train, phase.batch_size)))
    images = context.images(first)
    if cut:
        predict = engines.choose(context, cut.frozen, images).predict
        images, frozen_s = timed(predict, images)
        views = context.augmentation.views or 1
        frozen_s *= (views * len(train) + len(context.data) - len(train)) / len(images)
    if phase.keep == "if-better" and not phase.shards:
        with untouched(loop.net):
            for _ in range(2):  # the first one is traced, or finds its memory
                _, step_s = timed(loop.net.steps, [images], [loop.labels(first)], [0.0])
        found = context.checkpointer.found
        left = loop.steps_per_epoch * phase.epochs - (found.meta["state"]["step"] if found else 0)
        context.reporter.log(f"fine-tuning: about {seconds(frozen_s + left * phase.accumulate * step_s)} more")
    return activated(context, predict, phase.batch_size) if cut else context


def timed(function: Callable[..., Array], *given: Any) -> tuple[Array, float]:
    """What it gives, and the seconds that it took."""
    began = time.perf_counter()
    found = function(*given)
    return found, time.perf_counter() - began


def exact(context: Context, graph: Graph, phase: Finetune, net: Net) -> Net:
    """The trained net without 16 bits in it: what the bundle holds, so that the run's scores are the bundle's."""
    return native(context, graph.with_arrays(net.arrays()), phase, context.job.dtype)


def native(context: Context, graph: Graph, phase: Finetune, precision: str | None = None) -> Net:
    """The net in the job's framework, in its precision or another."""
    job = context.job
    phase_name, missing = f"starting {named(job.framework)}", not frameworks.loaded(job.framework)
    if missing:  # some seconds in which nothing else could be shown
        context.reporter.progress(phase_name, 0, 1, unit="")
    made = frameworks.load(job.framework).native(
        graph,
        device=job.device,
        precision=precision or job.precision,
        threads=1 if phase.shards else job.threads or threads_for(graph, phase.batch_size, job.framework),
        seed=key(job.seed, "dropout") % 2**31,
    )
    if missing:
        context.reporter.progress(phase_name, 1, 1, unit="")
    return made
