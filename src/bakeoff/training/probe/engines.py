"""What computes the features of a frozen backbone: the fastest engine at hand, measured, and verified before use.

At hand are ONNX Runtime and, where the recipe fine-tunes, the training framework in whose process the features are
computed: on a GPU that one is the faster. What the choice was, and from which speeds, is in the run folder; a run that
goes on keeps it, since two engines differ in the last bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff import frameworks
from bakeoff.data.images import ahead
from bakeoff.errors import BakeoffError, DataError
from bakeoff.graph import Graph, interpreter
from bakeoff.parity import relative
from bakeoff.parity.tolerance import LOGITS, with_noise
from bakeoff.recipe.schema import Finetune
from bakeoff.rundir.readers import read_json
from bakeoff.schemas import Array
from bakeoff.training.context import Context
from bakeoff.training.loop.threads import threads_for

FILE = "engine.json"
ONNX = "onnxruntime"
MARGIN = 1.2  # how much faster another engine must be than ONNX Runtime: a close race would be decided by chance
LOOKED_AT = 2  # images that are verified where a framework is at hand; NumPy takes half a second for one
NUDGE = 1e-6  # of the inputs: what this does to the features is the noise that any engine may have


@dataclass(frozen=True)
class Engine:
    """Features of normalised images, (N, H, W, C) to (N, d)."""

    name: str
    predict: Callable[[Array], Array]
    callers: int = 1  # threads that are to call it at the same time


def choose(context: Context, graph: Graph, images: Array) -> Engine:
    """The engine for these features; what decided is written to the run folder.

    Args:
        graph: gives features.
        images: some normalised images to measure with.

    Raises:
        BakeoffError: ONNX Runtime computes something else than the graph says, and there is no other engine.
    """
    engines = [_onnxruntime(context, graph), *_framework(context, graph)]
    speeds: dict[str, float] = {}
    kept = _kept(context)
    if len(engines) > 1 and kept not in {engine.name for engine in engines}:
        speeds = {engine.name: _speed(engine, images) for engine in engines}
        first, *others = engines
        best = max(others, key=lambda engine: speeds[engine.name])
        engines = [best, first] if speeds[best.name] > MARGIN * speeds[first.name] else engines
    elif kept:
        engines.sort(key=lambda engine: engine.name != kept)
    chosen, verdict = engines[0], _verdict(engines, graph, images)
    if not verdict["passed"]:
        if len(engines) == 1 or chosen.name != ONNX:
            raise BakeoffError(
                f"{chosen.name} gives features that differ by {verdict['difference']:.1e} from those of "
                f"{verdict['against']}, more than {verdict['tolerance']:.1e}: it can't be trusted here.\n"
                "Update it (bakeoff doctor), or fine-tune instead of probing."
            )
        chosen = engines[1]
    context.run.json(FILE, {"engine": chosen.name, "pictures_per_s": speeds, "verified": verdict})
    return chosen


def noted(context: Context) -> dict[str, Any]:
    """What the run knows of its engine, for run.json."""
    try:
        found = read_json(context.run.path / FILE)
    except DataError:
        return {"engine": ONNX}
    return {key: value for key, value in found.items() if key != "schema"}


def _kept(context: Context) -> str | None:
    """The engine of the run before it was interrupted."""
    found = noted(context) if (context.run.path / FILE).is_file() else {}
    return found.get("engine")


def _onnxruntime(context: Context, graph: Graph) -> Engine:
    from bakeoff.runtimes import onnxruntime

    return Engine(ONNX, onnxruntime.from_graph(graph, threads=1).predict, context.workers)


def _framework(context: Context, graph: Graph) -> list[Engine]:
    """The job's framework, where it will run in this process anyway: starting one takes longer than it could save."""
    job = context.job
    if job.framework == ONNX or not any(isinstance(phase, Finetune) for phase in context.recipe.phases):
        return []
    net = frameworks.load(job.framework).native(
        graph.astype(job.dtype),
        device=job.device,
        precision=job.dtype,
        threads=job.threads or threads_for(graph, 16, job.framework),
    )
    return [Engine(job.framework, lambda images: net.logits(images.astype(job.dtype, copy=False)))]


def _speed(engine: Engine, images: Array) -> float:
    """Images a second, the better of two passes behind one that doesn't count."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        list(ahead(engine.predict, np.array_split(images, engine.callers), engine.callers))
        times.append(time.perf_counter() - began)
    return len(images) / max(min(times[1:]), 1e-9)


def _verdict(engines: list[Engine], graph: Graph, images: Array) -> dict[str, Any]:
    """The first engine against the framework, or against NumPy where there is none.

    The tolerance is that of logits, or the noise floor: what a nudge of the images by 1e-6 does to the features.
    """
    chosen = engines[0]
    if len(engines) > 1:
        images, against = images[:LOOKED_AT], engines[1].name
        expected = engines[1].predict(images)
    else:
        images, against = images[:1], "numpy"
        expected = interpreter.run(graph, images.astype(graph.dtype))
    found = chosen.predict(images)
    tolerance = with_noise(LOGITS, relative(chosen.predict(images * (1 + NUDGE)), found))
    difference = relative(found, expected)
    return {
        "against": against,
        "difference": difference,
        "tolerance": tolerance,
        "passed": difference <= tolerance,
    }
