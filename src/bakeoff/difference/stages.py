"""Each stage of what two sides do, as rows: equal, differs or not checkable, and by how much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bakeoff import frameworks
from bakeoff.difference import inputs, nets
from bakeoff.difference.account import ASKED, Account, apart
from bakeoff.difference.causes import STAGES, claims, every
from bakeoff.difference.engine import CANT, Verdict
from bakeoff.difference.replay import Training
from bakeoff.difference.scripts import Record
from bakeoff.difference.worlds import Predicting, fitting, kept
from bakeoff.graph import interpreter
from bakeoff.ops._page import Mode
from bakeoff.parity.difference import largest
from bakeoff.schemas import Array
from bakeoff.workers.launch import Worker

Row = dict[str, Any]
LARGE, FLOOR = 8_000_000, 1e-10  # parameters that NumPy walks in seconds; of a layer's values, in float64
SMALL = 2_000_000  # parameters of nets whose steps are made again in float64
FEW = 8  # images of a step
SAME = 1e-6  # of the largest: as settings are the same, `account.same`
LEARNING = ("gradients", "first step", "running statistics")
TWICE = "a dump doesn't show masks: save the logits of the same images twice; where they differ, dropout is on"


def predicting(a: Account, b: Account, world: Predicting, found: Verdict, worker: Worker | None = None) -> list[Row]:
    """From an image's bytes to the answer, of the first image bit by bit; then how both nets would learn."""
    both = [{**inputs.USUAL, **world.fallback, **one.settings} for one in (a, b)]
    shown = all(one.sees("input.std") and one.seen.inputs is None for one in (a, b))
    made = [inputs.stages(world.images[0], one) for one in both] if shown else None
    rows = [_row(name, *(one[name] for one in made)) if made else _unknown(name) for name in inputs.STAGES]
    state = "equal" if found.gap <= found.floor else "differs"
    rows += [_net(a, b, world), {"stage": "output", "state": state, "difference": found.gap}]
    draws = any(node.draws for one in (a, b) if one.graph for node in one.graph.nodes)
    if draws and any(one.seen.scores is not None for one in (a, b)):
        rows.append({"stage": "dropout", "state": "equal"} if state == "equal" else _unknown("dropout", TWICE))
    return rows + _learning(a, b, world, worker)


def training(a: Account, b: Account, world: Training, found: Verdict) -> list[Row]:
    """Each stage by its settings; the start; the first step's gradients, weights and statistics; the outcome."""
    rows = []
    differ = set(apart(a, b))
    for stage in STAGES:
        keys = {key for one in every() if one.stage == stage and one.world != "predict" for key in one.keys}
        known = [key for key in {*a.settings, *b.settings} if claims(keys, key)]
        apart_here = [key for key in known if key in differ]
        seen = [key for key in known if a.sees(key) and b.sees(key)]
        if keys:
            state = "differs" if apart_here else "equal" if seen else "not checkable"
            rows.append({"stage": stage, "state": state, "detail": ", ".join(sorted(apart_here)[:3])})
    state = "equal" if found.gap <= found.floor else "differs"
    return [
        *rows,
        *_first_step(world, a, b),
        {"stage": "logits after the steps", "state": state, "difference": found.gap},
    ]


def _unknown(stage: str, detail: str = "") -> Row:
    return {"stage": stage, "state": "not checkable", "detail": detail}


def _row(name: str, one: Array, two: Array) -> Row:
    if one.shape != two.shape:
        return {"stage": name, "state": "differs", "detail": f"{one.shape} against {two.shape}"}
    gap = float(np.abs(one.astype("f8") - two).max(initial=0.0))
    return {"stage": name, "state": "equal" if gap == 0 else "differs", "difference": gap}


def _net(a: Account, b: Account, world: Predicting) -> Row:
    """The first layer whose local error is above float64's rounding, both nets fed with A's input."""
    if a.graph is None or b.graph is None:
        return _unknown("net")
    if not nets.alike(a.graph, b.graph):
        return {"stage": "net", "state": "differs", "detail": "other layers"}
    if a.graph.count() > LARGE:
        same = not [key for key in apart(a, b) if key.startswith(("net.", "array.")) and key != nets.WHOLE]
        return {"stage": "net", "state": "equal"} if same else _unknown("net", "too large to be walked")
    try:
        walked = nets.walk(a.graph, b.graph, world.inputs(a)[:1])
    except Exception as error:  # whatever a page's truth makes of another net's shapes
        return {"stage": "net", "state": "differs", "detail": str(error)[:120]}
    first = next((row for row in walked if row[2] > FLOOR), None)
    if first is None:
        return {"stage": "net", "state": "equal", "difference": max(row[2] for row in walked)}
    found = dict(zip(("layer", "operator", "local"), first, strict=False))
    return {"stage": "net", "state": "differs", **found, "accumulated": walked[-1][3]}


def _learning(a: Account, b: Account, world: Predicting, worker: Worker | None) -> list[Row]:
    """The output in training mode, each net with its own weights; then one step from A's weights on A's inputs, by the
    recipe where there is one, else by SGD. Nets and recipes that say the same do the same: they aren't asked.
    """
    mode = "output in training mode"
    if a.graph is None or b.graph is None or not nets.alike(a.graph, b.graph) or a.graph.count() > SMALL:
        return [_unknown(name) for name in (mode, *LEARNING)]
    x = world.inputs(a)[:FEW].astype("float64")
    y = (world.outcome(a).argmax(1) if world.labels is None else world.labels)[:FEW]
    graphs = [fitting(one.graph, x) for one in (a, b) if one.graph]
    z = [interpreter.run(one.astype("float64"), x, Mode(train=True, mask=kept)) for one in graphs]
    rows = [_relative(mode, {"": z[0]}, {"": z[1]})]
    if not [key for key in apart(a, b) if key.startswith(("net.", "train.")) and key not in (*ASKED, nets.WHOLE)]:
        return rows + [{"stage": name, "state": "equal", "detail": "the same nets"} for name in LEARNING]
    if not (worker or frameworks.installed()):
        return rows + [_unknown(name, "no framework is installed") for name in LEARNING]
    record = Record((x,), (y,), (1.0,), {}, exact=False)
    bare = [
        replace(one, graph=graph, record=record, given={k: v for k, v in one.given.items() if k.startswith("train.")})
        for one, graph in zip((a, b), graphs, strict=True)
    ]
    with Training(bare[0], worker) as steps:
        return rows + _first_step(steps, *bare)


def _first_step(world: Training, a: Account, b: Account) -> list[Row]:
    try:
        one, two = world.first_step(a), world.first_step(b)
    except CANT as error:
        return [_unknown(name, str(error).partition("\n")[0][:120]) for name in LEARNING]
    return [_relative(name, one[name], two[name]) for name in LEARNING]


def _relative(stage: str, one: dict[str, Array], two: dict[str, Array]) -> Row:
    """How far arrays are apart, of the largest number of them."""
    if not one and not two:
        return _unknown(stage, "no layer has any")
    most = max((float(np.abs(x).max(initial=0.0)) for x in one.values()), default=0.0)
    gap, key = largest(two, one, floor=dict.fromkeys(one, most))
    state = {"state": "differs", "detail": key} if gap > SAME else {"state": "equal"}
    return {"stage": stage, **state, "difference": gap}
