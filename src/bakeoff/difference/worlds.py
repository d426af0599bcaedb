"""What is asked of an account: its answers to images, and how far two answers are apart.

Scores are compared as logits less their mean over the classes, whatever a side gives: a softmax changes nothing then,
and logarithms of probabilities are logits. One binary logit z counts as the pair (-z / 2, z / 2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from bakeoff.difference import inputs, nets
from bakeoff.difference.account import ASKED, Account
from bakeoff.errors import UnsupportedError, UsageError
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.graph import interpreter
from bakeoff.graph.graph import Graph
from bakeoff.graph.passes import of_size
from bakeoff.ops._page import Mode
from bakeoff.schemas import Array
from bakeoff.seeds import rng

LEAST = 1e-30  # of a probability: its logarithm stays finite
SHOWN = 2  # images for what is computed in NumPy


class World(Protocol):
    """What the engine needs.

    Attributes:
        name: "predict" or "train": causes say in which they show.
        labels: (N,), places in the classes; None: not known.
        floor: what rounding alone does, in the unit of `distance`.
        others: what each of some other seeds does, likewise; none where no seed plays a part.
        noise: the most of these.
    """

    name: str
    labels: Array | None
    floor: float

    @property
    def others(self) -> Sequence[float]: ...

    @property
    def noise(self) -> float: ...

    def outcome(self, account: Account) -> Array:
        """(N, K); row by row comparable with any other account's."""

    def scores(self, account: Account) -> Array | None:
        """Centred logits (N, classes), for effects on labels; None where an outcome has none."""


def distances(a: Array, b: Array) -> Array:
    """Mean absolute difference of each row, (N,)."""
    return np.asarray(np.abs(np.asarray(a, np.float64) - b).mean(-1))


def distance(a: Array, b: Array) -> float:
    """Mean absolute difference."""
    return float(distances(a, b).mean())


def centred(scores: Array, *, shares: bool = False, softmaxes: int = 0) -> Array:
    """Logits less their mean over the classes, float64 (N, classes)."""
    z = np.asarray(scores, np.float64)
    if z.shape[1] == 1:
        one = np.log(np.maximum(z, LEAST)) - np.log(np.maximum(1 - z, LEAST)) if shares else z
        z, shares = np.concatenate([-one / 2, one / 2], 1), False
    z = np.log(np.maximum(z, LEAST)) if shares else z
    for _ in range(softmaxes):
        z = np.exp(z - z.max(1, keepdims=True))
        z = z / z.sum(1, keepdims=True)
    return np.asarray(z - z.mean(1, keepdims=True))


def are_shares(scores: Array) -> bool:
    """Whether rows look like probabilities: not negative, with the sum 1."""
    return bool(scores.shape[1] > 1 and (scores >= 0).all() and np.allclose(scores.sum(1), 1, atol=1e-3))


class Predicting:
    """Answers to images.

    Args:
        images: the bytes of each.
        labels: names of the classes that they show; None: not known.
        reference: class names in whose order scores are compared; None: by place.
        fallback: how images are prepared for a side that doesn't show it.
    """

    name = "predict"

    def __init__(
        self,
        images: Sequence[bytes],
        labels: Sequence[str] | None = None,
        reference: tuple[str, ...] | None = None,
        fallback: Mapping[str, Any] | None = None,
    ) -> None:
        self.images, self.reference, self.fallback = images, reference, fallback or {}
        known = labels is not None and reference is not None and set(labels) <= set(reference)
        self.labels = np.array([reference.index(one) for one in labels]) if known and labels and reference else None
        self.floor, self.noise = 0.0, 0.0
        self.others: Sequence[float] = ()
        self._inputs: dict[str, Array] = {}
        self._raw: dict[tuple[Any, ...], tuple[Any, Array]] = {}

    def inputs(self, account: Account) -> Array:
        """What the net of an account takes, (N, H, W, C)."""
        if account.seen.inputs is not None:
            return account.seen.inputs
        both = {**self.fallback, **account.settings}
        settings = {key: value for key, value in both.items() if key.startswith("input.")}
        missing = [key for key in ("input.size", "input.mean", "input.std") if key not in settings]
        if missing:
            raise UsageError(
                f"{account.name}: it isn't known how its images are prepared ({missing[0]} and more).\n"
                f"Say it: --{account.given.get('side', 'a')}-input keras:NAME, torchvision:IMAGENET1K_V1, or key=value."
            )
        key = repr(sorted(settings.items()))
        if key not in self._inputs:
            self._inputs[key] = inputs.prepared(self.images, {**inputs.USUAL, **settings})
        return self._inputs[key]

    def outcome(self, account: Account) -> Array:
        """Centred logits (N, classes), in the order of the reference's names."""
        if account.seen.scores is not None:
            raw, shares = account.seen.scores, account.seen.shares
        else:
            raw, shares = self._answered(account), account.shares
        found = centred(raw, shares=shares, softmaxes=int(account.settings.get("output.softmax", 0)))
        names = account.settings.get("output.classes")
        if self.reference and names and set(names) == set(self.reference):
            found = found[:, [names.index(name) for name in self.reference]]
        order = account.settings.get("output.order")
        return found if order is None else found[:, list(order)]

    def scores(self, account: Account) -> Array | None:
        """The same."""
        return self.outcome(account)

    def _answered(self, account: Account) -> Array:
        given = self.inputs(account)
        how = [account.settings.get(key, usual) for key, usual in ASKED.items()]
        key = (id(account.graph), id(account.answer), id(given), *how)
        if key not in self._raw:
            self._raw[key] = (account, _ask(account, given, *how))  # held: an id is of what lives
        return self._raw[key][1]


class Expecting(Predicting):
    """The same images, where one side is a promised accuracy: what is compared is that figure.

    Raises:
        UsageError: the labels of the images aren't known.
    """

    name = "predict"

    def outcome(self, account: Account) -> Array:
        """The accuracy, (1, 1)."""
        if self.labels is None:
            raise UsageError(
                "--expect: the labels of the images aren't known, so there is no accuracy to compare.\n"
                "Give --images FOLDER with a folder for each class, named as the model's classes."
            )
        if account.seen.accuracy is not None:
            return np.array([[account.seen.accuracy]])
        return np.array([[float((super().outcome(account).argmax(1) == self.labels).mean())]])

    def scores(self, account: Account) -> Array | None:
        """Centred logits; None of a figure."""
        return None if account.seen.accuracy is not None else super().outcome(account)


def _ask(account: Account, given: Array, mode: str, bits: str, scales: str) -> Array:
    if account.answer is not None:
        return np.asarray(account.answer(given))
    if account.graph is None:
        raise UsageError(f"{account.name}: there is no net to ask, and no answers were given.")
    graph = fitting(account.graph, given)
    if mode == "train":
        return interpreter.run(graph.astype("float32"), given, Mode(train=True, mask=kept))
    if bits != "float32":
        from bakeoff.difference.precision import run

        return run(graph, given, bits, scales)
    try:
        found: Array = session(graph)(given)
    except Exception as error:  # ONNX Runtime's own exceptions have no common base
        first = str(error).splitlines()[0][:200]
        raise UnsupportedError(f"{account.name}: its net can't be asked about {given.shape[1:]} ({first}).") from None
    return found


def fitting(graph: Graph, given: Array) -> Graph:
    """The graph for images of the size that came: a net that was written down for one size may take others."""
    height, width = (int(side) for side in given.shape[1:3])
    sides = zip(graph.input_shape[1:3], (height, width), strict=True)
    fits = all(not isinstance(side, int) or side == n for side, n in sides)
    return graph if fits else of_size(graph, height, width)


def kept(shape: tuple[int, ...], keep: float, step: int = 0, layer: int = 0, seed: int = 0) -> Array:
    """A mask of dropout: the same numbers for every rate, whoever asks."""
    return np.asarray(rng(seed, "dropout", epoch=step, record=layer).random(shape) < keep, np.float32)


def session(graph: Graph) -> Callable[[Array], Array]:
    """A graph in ONNX Runtime, float32."""
    from bakeoff.runtimes import onnxruntime

    return onnxruntime.from_graph(graph.astype("float32"), 1).predict


def rounding(world: Predicting, account: Account) -> float:
    """Of a figure half of Wilson's 95 % interval. Else how far float32 is from float64 on a few images, in the unit of
    `distance`; at least 1e-6 of the scores' size."""
    if isinstance(world, Expecting):
        share = float(world.outcome(account)[0, 0])
        low, high = wilson(round(share * len(world.images)), len(world.images))
        return (high - low) / 2
    scores = world.outcome(account)
    least = 1e-6 * float(np.abs(scores).max(initial=0.0))
    if account.graph is None or account.graph.count() > 2_000_000:
        return 100 * least
    few = world.inputs(account)[:SHOWN]
    exact = centred(interpreter.run(account.graph.astype("float64"), few.astype("float64")))
    return 8 * distance(centred(session(account.graph)(few)), exact) + least


def alike(a: Account, b: Account) -> bool:
    """Whether two nets can be compared layer by layer."""
    return a.graph is not None and b.graph is not None and nets.alike(a.graph, b.graph)
