"""An account of one side: how it gets from an image to its answer, as flat settings that can be switched.

    input.*        how an image becomes an input, see `inputs`
    net.OP.ATTR    an attribute of all nodes of an operator, in order; array.OP.NUMBER.SLOT: a parameter, see `nets`
    output.*       classes (names, in the order of the scores), softmax (how often it is applied to the logits)
    train.*        optimizer, schedule, loss, order of the images, see `replay`
What a side doesn't show is missing, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from bakeoff.difference import nets
from bakeoff.graph.graph import Graph
from bakeoff.schemas import Array

Settings = Mapping[str, Any]
NET = ("net.", "array.")
ASKED: Settings = {"net.mode": "eval", "net.precision": "float32", "net.scales": ""}  # of a graph that is asked here
BESIDE = dict.fromkeys(("train.smoothing", "train.reduction", "train.broadcast", "train.softmaxes"), "train.loss")
BESIDE |= {"train.factors": "train.schedule", "train.keeps_gradients": "train.optimizer", "train.mode": "train.loss"}


@dataclass(frozen=True)
class Observed:
    """What a side was seen to give, where it can't be asked again.

    Attributes:
        inputs: float, (N, H, W, C): the images as its net took them.
        scores: (N, classes): logits, or probabilities where `shares`.
        shares: whether scores are probabilities.
        accuracy: of 1, where nothing else is known.
    """

    inputs: Array | None = None
    scores: Array | None = None
    shares: bool = False
    accuracy: float | None = None


@dataclass(frozen=True)
class Account:
    """One side.

    Attributes:
        name: as the user wrote it.
        kind: as `sides` calls it.
        given: settings besides those of the graph.
        places: file and line of a setting, where known.
        graph: the net, where it can be read.
        answer: normalised images (N, H, W, C) -> scores, where there is no graph.
        shares: whether `answer` gives probabilities.
        seen: what it gave, where it can't be asked.
        record: what a training script did, see `replay`.
        notes: what the reader should know.
    """

    name: str
    kind: str
    given: Settings = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    graph: Graph | None = None
    answer: Callable[[Array], Array] | None = None
    shares: bool = False
    seen: Observed = Observed()
    record: Any = None
    notes: tuple[str, ...] = ()

    @cached_property
    def settings(self) -> Settings:
        """All settings that are visible."""
        own = {} if self.graph is None else {**ASKED, **nets.settings(self.graph, self.given.get("input.size"))}
        return {**own, **{key: value for key, value in self.given.items() if value is not None}}

    def switched(self, changes: Settings) -> Account:
        """The same side with other settings; of a net only what its graph has can be changed."""
        net = {key: value for key, value in changes.items() if key.startswith(NET) and key not in ASKED}
        rest = {key: value for key, value in changes.items() if key not in net}
        graph = nets.switched(self.graph, net) if net and self.graph is not None else self.graph
        return replace(self, given={**self.given, **rest}, graph=graph)

    def place(self, key: str) -> str:
        """FILE:LINE of a setting, or of the layers that have it."""
        layer = ".".join(key.split(".")[:2]).replace("array.", "net.")
        tried = (key, layer, BESIDE.get(key, ""), key.partition(".")[0])
        return next((self.places[one] for one in tried if self.places.get(one)), "")

    def sees(self, key: str) -> bool:
        """Whether a setting is visible."""
        return key in self.settings


def same(a: Any, b: Any) -> bool:
    """Whether two values of a setting are the same; numbers to float32's rounding."""
    if isinstance(a, Graph) or isinstance(b, Graph):
        return isinstance(a, Graph) and isinstance(b, Graph) and nets.alike(a, b)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        x, y = np.asarray(a), np.asarray(b)
        return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-6, atol=1e-7 * float(np.abs(x).max(initial=0.0))))
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float | int) and isinstance(b, float | int) and not isinstance(a, bool):
        return bool(np.isclose(a, b, rtol=1e-6, atol=0.0))
    return bool(a == b)


def apart(a: Account, b: Account) -> list[str]:
    """The settings that both show and that differ, sorted."""
    one, two = a.settings, b.settings
    return sorted(key for key in set(one) & set(two) if not same(one[key], two[key]))


def said(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array {value.shape}"
    if isinstance(value, Graph):
        return f"{value.count():,} parameters: {', '.join(dict.fromkeys(node.op for node in value.nodes))}"
    if isinstance(value, tuple | list):
        each = [said(one) for one in value]
        if len(each) > 4 and len(set(each)) == 1:
            return f"{each[0]} ({len(each)} times)"
        return f"({', '.join(dict.fromkeys(each) if len(each) > 6 else each)})" if each else "nothing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def differing_fit(a: Account, b: Account) -> dict[str, Any] | None:
    """How images are fitted, where both say it and differ; the short side before a cut counts for a cut alone."""
    one, two = ((x.settings.get("input.fit"), x.settings.get("input.resize_to")) for x in (a, b))
    cut = "crop" in (one[0], two[0])
    if None in (one[0], two[0]) or (one[0] == two[0] and (one[1] == two[1] or not cut)):
        return None
    return {"input.fit": two[0], "input.resize_to": two[1] or 0}
