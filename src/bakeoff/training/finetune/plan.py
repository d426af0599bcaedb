"""From a recipe's phase to what a step is told: loss, targets, rates and decays of each parameter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bakeoff.data import Split
from bakeoff.data.labels import counts, multilabel
from bakeoff.errors import UsageError
from bakeoff.evaluation.kinds import of_loss
from bakeoff.graph import Graph
from bakeoff.protocols import Net, StepSettings
from bakeoff.recipe.schema import Finetune, Probe
from bakeoff.schemas import Array, Batch
from bakeoff.training.context import Context

Teacher = Callable[[Batch], Array]  # probabilities (N, classes)


@dataclass(frozen=True)
class Targets:
    """What the loss is told of a batch: labels as they are, or shares of the classes, made in NumPy for all frameworks.

    Attributes:
        outputs: how many logits; one stands for two classes.
        smoothing: share of a label that goes to all classes.
        weights: of the classes; None: 1 each.
        teacher: gives probabilities for a batch.
        dtype: of shares.
        soft: whether shares are needed.
    """

    outputs: int
    smoothing: float = 0.0
    weights: Array | None = None
    teacher: Teacher | None = None
    dtype: str = "float32"
    soft: bool = False

    @property
    def classes(self) -> int:
        """How many."""
        return max(self.outputs, 2)

    def of(self, batch: Batch) -> Array:
        """(N,) labels, (N, classes) shares, or (N, 2 classes) shares and the teacher's probabilities."""
        if not self.soft:
            return batch.labels
        if batch.labels.ndim == 1:
            shares = np.eye(self.classes)[batch.labels]
        else:
            shares = batch.labels.astype("float64")
        if self.weights is not None:  # before smoothing: a weight belongs to the image's own class
            own = (shares * self.weights).sum(1, keepdims=True)
            shares = shares * own
        if self.smoothing:
            total = shares.sum(1, keepdims=True)
            shares = (1 - self.smoothing) * shares + self.smoothing * total / self.classes
        if self.teacher is not None:
            shares = np.concatenate([shares, self.teacher(batch)], 1)
        found: Array = shares.astype(self.dtype)
        return found


@dataclass(frozen=True)
class Plan:
    """What a net is compiled with, and what its labels become.

    Attributes:
        optimizer: the page.
        settings: of the page.
        loss: the page.
        step: all else that makes a step.
        targets: from batches to what the loss takes.
    """

    optimizer: str
    settings: dict[str, Any]
    loss: str
    step: StepSettings
    targets: Targets = field(default_factory=lambda: Targets(2))

    def compile(self, net: Net) -> None:
        """Tell a net; its optimizer starts anew."""
        net.compile(self.optimizer, self.settings, self.loss, self.step)


def planned(context: Context, phase: Finetune, graph: Graph, teacher: Teacher | None = None) -> Plan:
    """The plan of a phase of a training: see `plan`."""
    mixed = bool(context.augmentation.mixes)
    train, dtype = context.data.train, context.job.dtype
    return plan(phase, graph, context.start.loss, train, precision=dtype, mixed=mixed, teacher=teacher)


def plan(
    phase: Finetune,
    graph: Graph,
    loss: str,
    train: Split,
    *,
    precision: str,
    mixed: bool,
    teacher: Teacher | None = None,
) -> Plan:
    """The plan of a phase.

    Args:
        graph: as it is trained, with what is frozen frozen.
        loss: the recipe's.
        train: the images, whose classes are counted for balanced weights.
        mixed: whether augmentation makes shares of labels.

    Raises:
        UsageError: as many class weights as classes are needed.
    """
    if of_loss(loss).multilabel:
        return _multilabel(phase, graph, loss, train)
    weights = class_weights(phase, train)
    soft = bool(mixed or phase.label_smoothing or weights is not None or phase.focal or teacher)
    attributes: dict[str, Any] = {"gamma": phase.focal} if soft else {}
    page = "soft_cross_entropy" if soft else loss
    if teacher:
        page = "distillation"
        attributes |= {"temperature": phase.temperature, "share": phase.teacher_share}
    outputs = graph.output_shape[-1]
    assert isinstance(outputs, int)
    targets = Targets(outputs, phase.label_smoothing, weights, teacher, precision, soft)
    step = StepSettings(attributes, _factors(phase, graph), _decays(phase, graph), phase.clip)
    return Plan(phase.optimizer.name, phase.optimizer.settings(), page, step, targets)


def _multilabel(phase: Finetune, graph: Graph, loss: str, train: Split) -> Plan:
    """The plan for images with several labels: all that the loss needs to know is in its attributes.

    Raises:
        UsageError: the phase has settings that mean nothing there.
    """
    if phase.sampling != "uniform":
        raise UsageError(
            'sampling = "balanced" draws each class as often, and an image with several labels belongs to several.\n'
            'Use class_weights = "balanced".'
        )
    if phase.teacher:
        raise UsageError("teacher: distillation is for images with one label each. Leave it out.")
    weights = class_weights(phase, train)
    attributes = {
        "smoothing": phase.label_smoothing,
        "gamma": phase.focal,
        "weights": () if weights is None else tuple(map(float, weights)),
    }
    step = StepSettings(attributes, _factors(phase, graph), _decays(phase, graph), phase.clip)
    return Plan(phase.optimizer.name, phase.optimizer.settings(), loss, step)


def class_weights(phase: Finetune | Probe, train: Split) -> Array | None:
    """(classes,), or None where all classes count alike; of images with several labels, weights of the positives.

    Raises:
        UsageError: as many class weights as classes are needed.
    """
    classes = len(train.classes)
    if phase.class_weights == "none":
        return None
    if phase.class_weights == "balanced":
        counted = counts(train.labels, classes)
        if multilabel(train.labels):  # both answers of a class weigh alike
            return np.asarray(np.maximum(len(train) - counted, 1) / np.maximum(counted, 1))
        return np.asarray(len(train) / (classes * np.maximum(counted, 1)))
    if len(phase.class_weights) != classes:
        raise UsageError(
            f"class_weights has {len(phase.class_weights)} numbers, and there are {classes} classes: "
            f"{', '.join(train.classes[:6])}{'...' if classes > 6 else ''}."
        )
    return np.array(phase.class_weights)


def _trainable(graph: Graph) -> list[str]:
    return [path for path, p in graph.parameters.items() if p.trainable and p.role == "weight"]


def _factors(phase: Finetune, graph: Graph) -> dict[str, float]:
    """layer_decay to the power of how many blocks lie behind a parameter's; the last block has 1."""
    if phase.layer_decay == 1:
        return {}
    order = blocks(source for node in graph.nodes for source in node.parameters.values() if isinstance(source, str))
    last = max(order.values(), default=0)
    return {path: phase.layer_decay ** (last - order.get(path, last)) for path in _trainable(graph)}


def blocks(paths: Iterable[str]) -> dict[str, int]:
    """The number of the block that each path belongs to, in the order of computation.

    A block is what stands before the first number of a path, and that number: `_blocks.3._conv.kernel` is in
    `_blocks.3`; a path without a number is in the module at its top, as `head.kernel` in `head`.
    """
    found: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for path in paths:
        match = re.match(r"(.*?\.\d+)\.", path)
        name = match[1] if match else path.split(".")[0]
        found.setdefault(path, numbers.setdefault(name, len(numbers)))
    return found


def _decays(phase: Finetune, graph: Graph) -> dict[str, float]:
    """Weight decay 0 for biases and scales, where that is asked for."""
    if phase.decay_vectors:
        return {}
    return {path: 0.0 for path in _trainable(graph) if graph.parameters[path].array.ndim <= 1}


def sampled(train: Split, phase: Finetune, seed: int, epoch: int) -> Array | None:
    """Positions of an epoch that draws each class as often; None where each image comes once."""
    from bakeoff.seeds import rng

    if phase.sampling == "uniform":
        return None
    counts = np.bincount(train.labels, minlength=len(train.classes))
    present = int((counts > 0).sum())
    chances = 1 / (present * counts[train.labels])
    positions: Array = rng(seed, "sampling", epoch=epoch).choice(len(train), len(train), p=chances / chances.sum())
    return positions
