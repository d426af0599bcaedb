"""What each worker is asked in a comparison: traces of the mathematics, then steps against the clock.

These functions run inside a worker that holds one framework; the parent (`bakeoff.comparison.api`) calls them in turn
and compares. Arrays go through `.npz` files in the run folder, everything else through JSON.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from bakeoff import frameworks
from bakeoff import precision as precisions
from bakeoff.graph import Graph, passes, trainable
from bakeoff.graph.graph import weights_sha256
from bakeoff.parity import Trace
from bakeoff.parity.draws import Draws, still
from bakeoff.parity.noise import TINY
from bakeoff.parity.trial import drawing_gradients, errors, nudged, stepped
from bakeoff.recipe import loads
from bakeoff.recipe.schema import Finetune, OptimizerSettings, Recipe, ScheduleSettings
from bakeoff.rundir.folder import Run
from bakeoff.schemas import Array, Batch
from bakeoff.seeds import rng
from bakeoff.system import peak_memory
from bakeoff.training.context import Context
from bakeoff.training.finetune.plan import Plan, plan, sampled
from bakeoff.training.finetune.strategy import check_batches, prepared
from bakeoff.training.job import Job
from bakeoff.training.loop.average import Average
from bakeoff.training.loop.threads import SMALL, multiply_adds, threads_for
from bakeoff.training.schedules import schedule
from bakeoff.training.setup import start
from bakeoff.training.work import read, verified
from bakeoff.workers.channel import Reporter

STEPS, DEEP_STEPS = 20, 4
DEEP_BATCH, DEEP_TRUTH = 4, 2
SEEN = 32  # images of each other split
NUDGE = 1e-6  # relative change of the start weights behind the spread: some roundings in float32


def context_of(job: Job, reporter: Reporter) -> Context:
    """Data, signature and start graph of a job: the same in every process, from NumPy alone."""
    recipe = loads(job.recipe)
    data = read(job, recipe, reporter)
    found = Context(job, recipe, data, start(recipe, data, job.seed), Run(job.run), reporter)
    return verified(found) if data.rules.bad_files == "exclude" else found


def phase_of(recipe: Recipe) -> Finetune:
    """The phase whose steps are compared: the recipe's last, which trains the most where phases thaw a net step by
    step; or plain SGD with momentum where it only probes.
    """
    for phase in reversed(recipe.phases):
        if isinstance(phase, Finetune):
            return phase
    return Finetune(
        epochs=1,
        optimizer=OptimizerSettings(name="sgd", momentum=0.9),
        schedule=ScheduleSettings(peak=0.01),
        batch_norm="frozen",
    )


def check_phase(context: Context) -> None:
    """Refuse what training would refuse, before a process starts.

    Raises:
        UsageError: nothing is left to train, or a batch leaves a batch norm one value.
    """
    phase = phase_of(context.recipe)
    graph = prepared(context.start.graph, phase)
    check_batches(graph, phase, len(context.data.train))


def is_deep(context: Context) -> bool:
    """Whether a step is so large that traces take fewer and smaller ones."""
    return multiply_adds(context.start.graph) * 64 > 20 * SMALL


def parity_batches(context: Context) -> list[Batch]:
    """The first training batches as training has them: its order, varied, mixed; the last is the epoch's own last one,
    which may be smaller.
    """
    phase, count = phase_of(context.recipe), len(context.data.train)
    size, most = (DEEP_BATCH, DEEP_STEPS) if is_deep(context) else (phase.batch_size, STEPS)
    drop_last = phase.drop_last and count >= size
    number = count // size if drop_last else -(-count // size)
    steps = min(number, most)

    def batches(start: int, few: int) -> list[Batch]:
        found = context.batches(
            context.data.train,
            size,
            shuffle=True,
            drop_last=drop_last,
            start=start,
            augment=True,
            order=sampled(context.data.train, phase, context.job.seed, 0),
        )
        return list(islice(found, few))

    return batches(0, steps - 1) + batches(number - 1, 1)


def prepare(session: dict[str, Any], reporter: Reporter, *, job: dict[str, Any]) -> dict[str, Any]:
    """Read the data; what every worker must agree on: a hash of the batches."""
    asked = Job(**job)
    session["job"], session["context"] = asked, context_of(asked, reporter)
    context: Context = session["context"]
    session["batches"] = parity_batches(context)
    return {
        "batches": _seen(context, session["batches"]),
        "environment": frameworks.load(asked.framework).environment(),
    }


def _seen(context: Context, batches: list[Batch]) -> str:
    """SHA-256 of what a framework's process sees: class names, batches, and the first images of the other splits."""
    digest = hashlib.sha256(repr((context.data.classes, context.signature.to_json())).encode())
    other = [split for split in context.data.splits.values() if split.name != "train"]
    first = [next(iter(context.batches(split, min(SEEN, len(split))))) for split in other if len(split)]
    for batch in (*batches, *first):
        for array in (batch.images, batch.labels, batch.records):
            digest.update(f"{array.shape} {array.dtype} ".encode() + array.tobytes())
    return digest.hexdigest()


def trace(
    session: dict[str, Any],
    reporter: Reporter,
    *,
    precision: str,
    output: str,
    nudge: bool = False,
    threads: int = 1,
    error: float = 0.0,
    draw: int = 0,
    held: Sequence[str] = (),
    draws: str | None = None,
) -> dict[str, Any]:
    """Logits, gradients, N steps, weights, statistics and logits afterwards, written to an `.npz`.

    Args:
        nudge: change the start weights by a few roundings (`nudge_of`): how far rounding alone carries.
        threads: sums are split between them, so that their number decides the order in which a sum is taken. One
            thread takes it in every framework's plainest order; with another number the same framework shows how much
            of its result hangs on that order.
        error: in every step, gradients are off by up to this share of their parameter's largest, at random: what an
            error that gradients may have does to all that comes after.
        draw: of those errors, or of the changes to the start weights.
        held: paths of parameters that the steps leave alone: those whose gradient is nothing but rounding. Adam would
            move them by whole steps in directions that mean nothing, and running statistics would follow.
        draws: an `.npz` with what another net drew for dropout and drop-path, which this one is to draw; None: its own.
    """
    context: Context = session["context"]
    phase = phase_of(context.recipe)
    dtype = precisions.of_weights(precision)
    graph = prepared(context.start.graph, phase).astype(dtype)
    graph = _nudged(graph, context.job.seed + draw, nudge_of(precision)) if nudge else graph
    images = _normalised(context, session["batches"], dtype)
    labels = loss_targets(planned(context, phase, graph, dtype), session["batches"])
    drawing = None
    if any(node.draws for node in graph.nodes):
        drawing = Draws(Trace.load(Path(draws), "draws").draws if draws else None)
    native, device = frameworks.load(context.job.framework).native, context.job.device
    built = partial(native, device=device, precision=precision, threads=threads)
    net = built(graph)
    started = weights_sha256(net.arrays())
    planned(context, phase, graph, dtype).compile(net)
    given = net.logits(images[0])
    drawing_gradients(net, drawing, "first pass", images[0], labels[0])
    gradients = net.gradient_arrays()
    if held:
        graph = trainable.freeze(graph, held)
        net = built(graph)
    net.load(graph.arrays())
    planned(context, phase, graph, dtype).compile(net)
    rate = schedule(phase.schedule, max(1, len(context.data.train) // phase.batch_size), phase.epochs)
    mean = Average(phase.average, phase.average_every) if phase.average else None
    wrong = partial(errors, rng(context.job.seed, "error", record=draw), error) if error else None
    losses = stepped(net, images, labels, rate, phase.accumulate, mean, wrong, drawing)
    after, roles = net.arrays(), graph.parameters
    decides = drawing is not None and precision == "float64" and not nudge
    Trace(
        logits={"given": given, "after": net.logits(images[0])},
        losses={"training": losses},
        gradients={"training": gradients},
        statistics={path: array for path, array in after.items() if roles[path].role == "state"},
        weights={path: array for path, array in after.items() if roles[path].role != "state"},
        averages=mean.arrays if mean else {},
        draws=drawing.found if drawing else {},
        still=still(net, lambda: net.gradients(images[0], labels[0])) if decides else {},  # the last of all
    ).save(Path(output))
    return {"weights": started}


def planned(context: Context, phase: Finetune, graph: Graph, precision: str) -> Plan:
    """What training tells the net of a step: smoothing, weights, clipping, rates and decays by parameter.

    A teacher is an input of a step, not part of it, and is left out.
    """
    alone, mixed = msgspec.structs.replace(phase, teacher=None), bool(context.augmentation.mixes)
    return plan(alone, graph, context.start.loss, context.data.train, precision=precision, mixed=mixed)


def loss_targets(step: Plan, batches: list[Batch]) -> list[Array]:
    """Labels as the loss takes them."""
    return [step.targets.of(batch) for batch in batches]


def _normalised(context: Context, batches: list[Batch], precision: str) -> list[Array]:
    from bakeoff.preprocessing.normalize import normalize

    return [normalize(batch.images, context.signature, precision) for batch in batches]


def nudge_of(precision: str) -> float:
    """The relative change of the start weights behind the spread: in 16 bits a rounding, which they meet anyway; in
    float64 some roundings.
    """
    if precision == "float64":
        return TINY
    return precisions.ROUNDOFF[precision] / 2 if precision in precisions.MIXED else NUDGE


def _nudged(graph: Graph, seed: int, size: float) -> Graph:
    """The same net from start weights changed by that much, relative."""
    weights = {path: p.array for path, p in graph.parameters.items() if p.role == "weight"}
    return graph.with_arrays(nudged(weights, seed, size))


def truth(context: Context, batches: list[Batch]) -> Array:
    """The first batch's logits in NumPy, float64; a few images of a deep net."""
    from bakeoff.graph.interpreter import run

    count = DEEP_TRUTH if is_deep(context) else len(batches[0].labels)
    images = _normalised(context, batches[:1], "float64")
    return run(passes.without_noise(context.start.graph).astype("float64"), images[0][:count])


def time_steps(session: dict[str, Any], reporter: Reporter, *, seconds: float) -> dict[str, Any]:
    """Time training steps for about so many seconds: the net is built and warmed up at the first call.

    Returns:
        step_ms, images_per_s, compile_s (None after the first call), peak_memory_bytes.
    """
    context: Context = session["context"]
    phase = phase_of(context.recipe)
    compile_s = None
    if "timed" not in session:
        graph = prepared(context.start.graph.astype(context.job.dtype), phase)
        threads = context.job.threads or threads_for(graph, phase.batch_size, context.job.framework)
        net = frameworks.load(context.job.framework).native(
            graph, device=context.job.device, precision=context.job.precision, threads=threads
        )
        step = planned(context, phase, graph, context.job.dtype)
        step.compile(net)
        images, labels = _timing_batches(context, phase, step)
        rates = [1e-4] * len(images)
        began = time.perf_counter()
        net.steps(images, labels, rates)
        first = time.perf_counter() - began
        net.steps(images, labels, rates)
        session["timed"] = net, images, labels, rates
        compile_s = max(0.0, first - (time.perf_counter() - began - first))
    net, images, labels, rates = session["timed"]
    steps, began = 0, time.perf_counter()
    while True:
        net.steps(images, labels, rates)
        steps += len(images)
        spent = time.perf_counter() - began
        if spent >= seconds:
            break
    count = len(labels[0])
    return {
        "step_ms": 1000 * spent / steps,
        "images_per_s": count * steps / spent,
        "compile_s": compile_s,
        "batch_size": count,
        "peak_memory_bytes": peak_memory(),
    }


def _timing_batches(context: Context, phase: Finetune, step: Plan) -> tuple[list[Array], list[Array]]:
    size = min(phase.batch_size, len(context.data.train))
    count = 1 if is_deep(context) else 32
    batches = context.batches(context.data.train, size, shuffle=True, drop_last=True)
    chosen = list(islice(batches, count))
    return [context.images(batch) for batch in chosen], [step.targets.of(batch) for batch in chosen]
