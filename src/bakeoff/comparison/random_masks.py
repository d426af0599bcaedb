"""Dropout and drop-path: their masks are each framework's own, so what can be compared is how often, and how much.

In prediction they do nothing; in training a share `rate` of the elements is 0, and the others are 1 / (1 - rate) as
large.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff import frameworks
from bakeoff.graph import Graph, Node, Ref
from bakeoff.ops._dimension import Dim
from bakeoff.parity import check, relative
from bakeoff.parity.tolerance import LOGITS
from bakeoff.schemas import Array, Check
from bakeoff.seeds import key
from bakeoff.training.context import Context

OPS = ("dropout", "drop_path")
CELLS = {"dropout": (64, 1024), "drop_path": (8192, 2)}  # as many draws as they make masks that count
SIGMAS = 6.0  # of a binomial share: 2e-9 by chance


def of(graph: Graph) -> dict[str, Any]:
    """The masks of a net, one of each kind and rate: {name: attributes}."""
    found = {}
    for node in graph.nodes:
        if node.op in OPS and node.attributes.rate:
            found[f"{node.op} {node.attributes.rate:g}"] = node.attributes
    return found


def trace(context: Context, graph: Graph, masks: dict[str, Any], images: Array) -> dict[str, Array]:
    """Logits of the net as it is, in prediction; and what each mask makes of ones, in training."""
    job = context.job
    build = frameworks.load(job.framework).native
    options: dict[str, Any] = {
        "device": job.device,
        "precision": "float32",
        "threads": 1,
        "seed": key(job.seed, "noise") % 2**31,
    }
    found = {"prediction": build(graph, **options).logits(images)}
    for name, attributes in masks.items():
        op = name.split()[0]
        size, width = CELLS[op]
        node = Node("noise", op, attributes, (Ref("input"),), path="noise")
        alone = Graph({"input": (Dim("batch"), width)}, (node,), {"logits": Ref("noise")}, {})
        found[f"mask {name}"] = build(alone, **options).logits(np.ones((size, width), np.float32), train=True)
    return found


def checks(framework: str, found: Mapping[str, Array], truth: Array) -> list[Check]:
    """Prediction leaves everything; each mask drops its share, and scales the rest."""
    if "prediction" not in found:
        return []
    logits = found["prediction"][: len(truth)]
    detail = "the net with its dropout, in prediction, float32 against NumPy in float64"
    rows = [check(f"prediction.{framework}", relative(logits, truth), LOGITS, detail)]
    worst, where = 0.0, "none"
    for name, array in found.items():
        if name.startswith("mask "):
            off = _off(name, array)
            if off >= worst:
                worst, where = off, name.removeprefix("mask ")
    detail = f"share of elements dropped in training, from its rate, in standard errors ({where}); the rest are scaled"
    return [*rows, check(f"masks.{framework}", worst, SIGMAS, detail)]


def _off(name: str, array: Array) -> float:
    op, _, text = name.removeprefix("mask ").partition(" ")
    rate = float(text)
    kept = array[array != 0]
    scaled = bool(np.allclose(kept, 1 / (1 - rate), rtol=1e-5, atol=0))
    whole = op != "drop_path" or bool((array == array[:, :1]).all())  # all of an image, or nothing
    draws = array.size if op == "dropout" else len(array)
    share = float((array == 0).sum()) / array.size
    error = (rate * (1 - rate) / draws) ** 0.5
    return abs(share - rate) / error if scaled and whole else float("inf")
