"""What computes the features of a frozen backbone: decided by the device, and verified before use.

ONNX Runtime on the CPU; on a GPU the training framework, in whose process the features are computed where the recipe
fine-tunes. No race decides: two engines differ in the last bits, so the same run would come out otherwise on a busy
machine. What it was, and how far it is from the other one, is in the run folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bakeoff import frameworks
from bakeoff.errors import BakeoffError
from bakeoff.graph import Graph, interpreter
from bakeoff.parity import relative
from bakeoff.parity.tolerance import LOGITS, with_noise
from bakeoff.rundir.readers import read_json
from bakeoff.schemas import Array
from bakeoff.training.context import Context
from bakeoff.training.job import computed_by, device_of
from bakeoff.training.loop.threads import threads_for

FILE = "engine.json"
ONNX = "onnxruntime"
LOOKED_AT = 2  # images that are verified where a framework is at hand; NumPy takes half a second for one
NUDGE = 1e-6  # of the inputs: what this does to the features is the noise that any engine may have


@dataclass(frozen=True)
class Engine:
    """Features of normalised images, (N, H, W, C) to (N, d)."""

    name: str
    predict: Callable[[Array], Array]
    callers: int = 1  # threads that are to call it at the same time


def choose(context: Context, graph: Graph, images: Array) -> Engine:
    """The engine for these features; it and the check are written to the run folder.

    Args:
        graph: gives features.
        images: some normalised images to check with.

    Raises:
        BakeoffError: ONNX Runtime computes something else than the graph says, and there is no other engine.
    """
    engines = [_onnxruntime(context, graph), *_framework(context, graph)]
    if len(engines) > 1 and device_of(context.job, context.recipe) != "cpu":
        engines.reverse()
    chosen, verdict = engines[0], _verdict(engines, graph, images)
    if not verdict["passed"]:
        if len(engines) == 1 or chosen.name != ONNX:
            raise BakeoffError(
                f"{chosen.name} gives features that differ by {verdict['difference']:.1e} from those of "
                f"{verdict['against']}, more than {verdict['tolerance']:.1e}: it can't be trusted here.\n"
                "Update it (bakeoff doctor), or fine-tune instead of probing."
            )
        chosen = engines[1]
    context.run.json(FILE, {"engine": chosen.name, "verified": verdict})
    return chosen


def at_hand(context: Context, graph: Graph) -> Engine:
    """The same engine without the check, for what no net is trained on: the framework on a GPU, else ONNX Runtime."""
    on_cpu = device_of(context.job, context.recipe) == "cpu"
    return [_onnxruntime(context, graph), *([] if on_cpu else _framework(context, graph))][-1]


def noted(context: Context) -> dict[str, Any]:
    """What the run knows of its engine, for run.json."""
    try:
        found = read_json(context.run.path / FILE)
    except BakeoffError:
        return {"engine": ONNX}
    return {key: value for key, value in found.items() if key != "schema"}


def _onnxruntime(context: Context, graph: Graph) -> Engine:
    from bakeoff.runtimes import onnxruntime

    return Engine(ONNX, onnxruntime.from_graph(graph, threads=1).predict, context.workers)


def _framework(context: Context, graph: Graph) -> list[Engine]:
    """The job's framework, where it will run in this process anyway: starting one takes longer than it could save."""
    job = context.job
    if computed_by(job, context.recipe) == ONNX:
        return []
    net = frameworks.load(job.framework).native(
        graph.astype(job.dtype),
        device=job.device,
        precision=job.dtype,
        threads=job.threads or threads_for(graph, 16, job.framework),
    )
    return [Engine(job.framework, lambda images: net.logits(images.astype(job.dtype, copy=False)))]


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
