"""finetune: the framework's own optimizer steps, from start weights or from where the last phase ended."""

from __future__ import annotations

import time
from typing import Any

from bakeoff import frameworks
from bakeoff.graph import Graph, passes
from bakeoff.recipe.schema import Finetune
from bakeoff.schemas import Predictions
from bakeoff.seeds import key
from bakeoff.train.context import Context, PhaseResult, predict_split
from bakeoff.train.loop import Loop
from bakeoff.train.threads import threads_for


def prepared(graph: Graph, phase: Finetune) -> Graph:
    """The graph with what the phase freezes frozen."""
    if phase.freeze:
        graph = passes.freeze(graph, phase.freeze)
    if phase.batch_norm == "frozen":
        graph = passes.freeze_statistics(graph)
    return graph


def run(context: Context, graph: Graph, phase: Finetune) -> PhaseResult:
    """Train for the phase's epochs; logits of the other splits come from the trained net itself."""
    frozen = prepared(graph.astype(context.job.precision), phase)
    job = context.job
    net = frameworks.load(job.framework).native(
        frozen,
        device=job.device,
        precision=job.precision,
        threads=job.threads or threads_for(frozen, phase.batch_size),
        seed=key(job.seed, "dropout") % 2**31,
    )
    net.compile(phase.optimizer.name, phase.optimizer.settings(), context.recipe.model.loss)
    began = time.perf_counter()
    loop = Loop(context, net, phase)
    notes: dict[str, Any] = loop.run()
    trained_s = time.perf_counter() - began
    size = context.recipe.evaluation.batch_size
    logits: dict[str, Predictions] = {
        s.name: predict_split(context, s, net.logits, size) for s in context.data.splits.values() if s.name != "train"
    }
    return PhaseResult(
        graph.with_arrays(net.arrays()), phase.epochs * len(context.data.train), trained_s, logits, notes
    )
