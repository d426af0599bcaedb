"""What a contestant's process is asked: make the net, show that its step is the step, then run it against the clock.

Like those of `method`, these run inside a worker. Nothing is timed together that can be told apart: start-up,
compiling, a step, a batch of input.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import frameworks
from bakeoff.comparison import contestants
from bakeoff.comparison.method import NUDGE, context_of, is_deep, phase_of, planned
from bakeoff.graph import Graph
from bakeoff.parity.trial import nudged
from bakeoff.schemas import Array, Batch
from bakeoff.system import cpus, peak_memory
from bakeoff.training.context import Context
from bakeoff.training.finetune.plan import Plan
from bakeoff.training.finetune.strategy import prepared
from bakeoff.training.job import Job
from bakeoff.workers.channel import Reporter

CHECKED = 3  # steps whose losses stand beside the others': the second sees the gradient, the third the optimizer
MANY = 32  # batches at hand for a small net; a deep one's own time hides what a batch costs
SLOT_S = 0.25  # seconds that a contestant is measured for at a time
WARM_S = 20.0  # of the first epoch of an input pipeline, in which caches fill
LEAD = 2  # batches of an input pipeline that lie ready from before, and aren't timed
RATE = 1e-4  # of timed steps: what they learn is of no interest, and must stay finite


def begin(
    session: dict[str, Any], reporter: Reporter, *, job: dict[str, Any], contestant: str, threads: int, began: float
) -> dict[str, Any]:
    """Make the net; its first steps, from which the losses are known; how long starting and compiling took.

    Args:
        began: when the process was started, seconds since 1970.

    Returns:
        start_s: the process, its libraries and the net, without the images; compile_s: what the first step took beyond
        the next ones; step_ms: of the next ones, roughly; losses, and `noise`: those from weights a rounding away.
    """
    process_s = time.time() - began
    asked, page = Job(**job), contestants.load(contestant)
    context = context_of(asked, reporter)
    phase = phase_of(context.recipe)
    graph = prepared(context.start.graph.astype(asked.dtype), phase)
    size = min(phase.batch_size, len(context.data.train))
    at = time.perf_counter()
    net = page.net(contestants.Asked(graph, size, asked.device, asked.precision, threads))
    start_s = process_s + time.perf_counter() - at
    step = planned(context, phase, graph, asked.dtype)
    step.compile(net)
    images, labels = _batches(context, size, step)
    session |= {"context": context, "net": net, "step": step, "page": page, "images": images, "labels": labels}
    losses, noise, compile_s, step_ms = _first_calls(net, graph, images, labels, phase.schedule.peak)
    few = _fitting(net, len(images), step_ms)
    session |= {"images": images[:few], "labels": labels[:few], "step_ms": step_ms}
    return {
        "start_s": start_s,
        "compile_s": compile_s,
        "step_ms": step_ms,
        "batch_size": size,
        "threads": threads,
        "pipeline": _reader(session),
        "losses": losses,
        "noise": noise,
        "environment": frameworks.load(page.FRAMEWORK).environment(),
    }


def _fitting(net: Any, most: int, step_ms: float) -> int:
    """How many steps a call takes, so that it fits a slot; of a jit always as many: it is made for one number."""
    return most if net.compiles == "always" else max(1, min(most, int(1000 * SLOT_S / step_ms)))


def _batches(context: Context, size: int, step: Plan) -> tuple[list[Array], list[Array]]:
    """Images in memory, as our loader gives them: for every contestant the same."""
    count = 2 if is_deep(context) else MANY
    found = list(islice(context.batches(context.data.train, size, shuffle=True, drop_last=True), count))
    return [context.images(batch) for batch in found], [step.targets.of(batch) for batch in found]


def _first_calls(
    net: Any, graph: Graph, images: list[Array], labels: list[Array], rate: float
) -> tuple[list[float], list[float], float, float]:
    """The losses of the first steps; those from weights a rounding away; seconds that the first call took beyond the
    second; milliseconds of a step in that one. A net that draws masks has losses of its own: none of it are told.
    """
    slots, told, times = net.slots(), [], []
    weights = {path: p.array for path, p in graph.parameters.items() if p.role == "weight"}
    for arrays in (graph.arrays(), graph.arrays() | nudged(weights, 0, NUDGE)):
        net.load(arrays)
        net.load_slots(slots, 0)
        at = time.perf_counter()
        losses = net.steps(images, labels, [rate] * len(images))
        times.append(time.perf_counter() - at)
        told.append([] if any(node.draws for node in graph.nodes) else losses[:CHECKED].tolist())
    net.load(graph.arrays())
    net.load_slots(slots, 0)
    return told[0], told[1], max(0.0, times[0] - times[1]), 1000 * times[1] / len(images)


def step_time(session: dict[str, Any], reporter: Reporter, *, seconds: float = SLOT_S) -> tuple[float, float]:
    """Milliseconds of a step on images in memory, over about so many seconds; and the seconds."""
    net, images, labels = session["net"], session["images"], session["labels"]
    rates, steps, began = [RATE] * len(images), 0, time.perf_counter()
    while True:
        net.steps(images, labels, rates)
        steps += len(images)
        spent = time.perf_counter() - began
        if spent >= seconds:
            return 1000 * spent / steps, spent


def _pipeline(session: dict[str, Any]) -> Iterator[tuple[Array, Array]]:
    """Batches for ever, as this contestant's experts would read them."""
    context: Context = session["context"]
    train, size, targets = context.data.train, len(session["labels"][0]), session["step"].targets
    name = _reader(session)
    if name == "own":
        epoch = 0
        while True:
            for batch in context.batches(train, size, epoch=epoch, shuffle=True, drop_last=True, augment=True):
                yield context.images(batch), targets.of(batch)
            epoch += 1
    table = train.images.table
    sources: Any = _pixels(context) if table.root is None or table.pixels is not None else _paths(context)
    flip = any("flip" in str(one) for one in context.recipe.augment.operations)
    given: dict[str, Any] = {"batch_size": size, "flip": flip, "workers": cpus()}
    module = frameworks.pipeline(name)
    for images, labels in module.batches(sources, train.labels, context.signature, **given):
        yield images, targets.of(Batch(images, labels, np.empty(0, np.int64)))


def _reader(session: dict[str, Any]) -> str:
    """Whose pipeline: the contestant's, where what it needs is installed and it can do what the signature asks for."""
    name: str = session["page"].PIPELINE
    lacks = name == "torch" and importlib.util.find_spec("torchvision") is None
    return "own" if lacks or session["context"].signature.channel_order == "BGR" else name


def _paths(context: Context) -> list[Path]:
    train = context.data.train
    root = train.images.table.root
    assert root is not None
    return [root / str(train.images.table.paths[record]) for record in train.indices]


def _pixels(context: Context) -> Array:
    """All training images as one array, where the data are arrays already."""
    batches = context.batches(context.data.train, 1024)
    found: Array = np.concatenate([batch.images for batch in batches])
    return found


def warm_input(session: dict[str, Any], reporter: Reporter) -> int:
    """Take an epoch's batches, or as many as come in WARM_S: what is cached is cached then. How many."""
    batches, began, done = _flowing(session), time.perf_counter(), 0
    epoch = max(1, len(session["context"].data.train) // len(session["labels"][0]))
    while done < epoch and time.perf_counter() - began < WARM_S:
        next(batches)
        done += 1
    batch_ms = input_time(session, reporter, seconds=0.1, native=True)
    session["few"] = _fitting(session["net"], len(session["images"]), session["step_ms"] + batch_ms)
    return done


def native_time(session: dict[str, Any], reporter: Reporter, *, seconds: float = SLOT_S) -> tuple[float, float]:
    """Milliseconds of a step that waits for its input pipeline, over about so many seconds; and the seconds."""
    net, batches = session["net"], _flowing(session)
    chunk = session.get("few", len(session["images"]))
    for _ in range(LEAD):
        next(batches)
    steps, began = 0, time.perf_counter()
    while True:
        images, labels = map(list, zip(*islice(batches, chunk), strict=True))
        net.steps(images, labels, [RATE] * len(images))
        steps += len(images)
        spent = time.perf_counter() - began
        if spent >= seconds:
            return 1000 * spent / steps, spent


def _flowing(session: dict[str, Any]) -> Iterator[tuple[Array, Array]]:
    session["flow"] = session.get("flow") or _pipeline(session)
    found: Iterator[tuple[Array, Array]] = session["flow"]
    return found


def input_time(session: dict[str, Any], reporter: Reporter, *, seconds: float, native: bool) -> float:
    """Milliseconds a batch of the input alone, as fast as it comes: our loader's, or the contestant's own."""
    if native:
        batches = _flowing(session)
    else:
        own = {"page": contestants.load("jax"), **{key: session[key] for key in ("context", "labels", "step")}}
        batches = session["own"] = session.get("own") or _pipeline(own)
    for _ in range(LEAD):
        next(batches)
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds or not count:
        next(batches)
        count += 1
    return 1000 * spent / count


def batch_times(session: dict[str, Any], reporter: Reporter, *, sizes: list[int]) -> dict[str, float]:
    """Milliseconds of a step at other batch sizes; of a compiled contestant, too, each compiled for its size."""
    net, images, labels = session["net"], session["images"], session["labels"]
    compiled, found = net.compile_batch, {}
    pool, wanted = np.concatenate(images), np.concatenate(labels)
    for size in sizes:
        if size > len(pool):
            continue
        net.compile_batch = size if compiled else None
        x, y = [pool[:size]], [wanted[:size]]
        net.steps(x, y, [RATE])
        times, began = list[float](), time.perf_counter()
        while len(times) < 3 or time.perf_counter() - began < SLOT_S:
            at = time.perf_counter()
            net.steps(x, y, [RATE])
            times.append(time.perf_counter() - at)
        found[str(size)] = 1000 * min(times)
    net.compile_batch = compiled
    return found


def memory(session: dict[str, Any], reporter: Reporter) -> int:
    """The largest resident size of this process so far, bytes."""
    return peak_memory()
