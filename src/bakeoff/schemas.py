"""Plain frozen values that pass between rooms, in the order in which they flow.

image -> Batch -> StepResult -> Predictions -> Score;  Check -> Certificate
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SCHEMA = 1  # of every JSON that Bakeoff writes; a reader refuses what it doesn't know

FEW = 3  # names in a line; the rest is counted

Array = NDArray[Any]
SplitName = Literal["train", "validation", "test"]


class _Short(reprlib.Repr):
    """Of arrays dtype and shape, of long lists the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 60, 80
        self.maxdict = self.maxlist = self.maxtuple = 8

    def repr_ndarray(self, value: Array, level: int) -> str:
        return f"<{value.dtype} {value.shape}>"


def brief(value: object, most: int = 1800) -> str:
    """What a prompt shows of a value, in at most so many characters."""
    text = _Short().repr(value)
    return text if len(text) <= most else f"{text[: most - 4]} ..."


class Brief:
    """A dataclass whose repr is short whatever it holds (`repr=False`)."""

    def __repr__(self) -> str:
        parts = (f"{one.name}={brief(getattr(self, one.name), 160)}" for one in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(parts)})"


class Figures(dict[str, Any]):
    """A plain dict, with a short repr: a notebook that shows it stays readable."""

    def __repr__(self) -> str:
        return brief(dict(self))


@dataclass(frozen=True, repr=False)
class Batch(Brief):
    """Images on their way to a step.

    Attributes:
        images: uint8, (N, H, W, C).
        labels: int64, (N,), positions in the class names; where images may have several, uint8, (N, classes), of 0
            and 1; where images were mixed, float32, (N, classes), their shares.
        records: int64, (N,), row numbers of the manifest.
    """

    images: NDArray[np.uint8]
    labels: NDArray[Any]
    records: NDArray[np.int64]


@dataclass(frozen=True)
class StepResult:
    """What the gradients of one micro-batch leave behind.

    Attributes:
        loss: the sum of the losses over the images (not the mean: micro-batches add up).
        count: how many images.
    """

    loss: float
    count: int


@dataclass(frozen=True, repr=False)
class Predictions(Brief):
    """Logits of images whose labels are known.

    Attributes:
        logits: float, (N, classes), or (N, 1) for one binary logit.
        labels: int64, (N,); where images may have several, uint8, (N, classes), of 0 and 1.
        records: int64, (N,), row numbers of the manifest.
        similarity: float, (N,), to the nearest class (`bakeoff.graph.similarity`); None: not known.
    """

    logits: Array
    labels: NDArray[Any]
    records: NDArray[np.int64]
    similarity: Array | None = None


@dataclass(frozen=True)
class ClassScore:
    """How one class fares: `recall` of its `num` images, `precision` of what was called so; `f1` of both."""

    name: str
    num: int
    correct: int
    precision: float | None
    recall: float | None
    f1: float | None = None


@dataclass(frozen=True, repr=False)
class Score(Brief):
    """How a classifier fares on a split.

    Attributes:
        figures: by the names of the measures of `bakeoff.evaluation.measures` that a run records; None: can't be said.
        choice: the one of them that trainings are chosen by.
        accuracy_interval: Wilson's 95 % interval of the accuracy.
        num: the number of images; equals the manifest's for that split.
        per_class: in the order of the class names.
        confusion: counts, row = true class, column = predicted class.
    """

    figures: Mapping[str, float | None]
    choice: str
    accuracy_interval: tuple[float, float]
    num: int
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def accuracy(self) -> float:
        """The share of images that are answered rightly, in whole."""
        return self.figures["accuracy"] or 0.0

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return self.figures["loss"] or 0.0

    def to_json(self) -> dict[str, Any]:
        """What run.json says of a split: accuracy, its interval, num, loss, then the other figures."""
        interval = list(self.accuracy_interval)
        return {"accuracy": self.accuracy, "accuracy_interval": interval, "num": self.num, **self.figures}


@dataclass(frozen=True)
class LabelScore(ClassScore):
    """How one of several labels fares: `num` images have it, `correct` of them got it at the threshold.

    Attributes:
        average_precision: the area under precision over recall; None where no image has the label.
        roc_auc: None where none or all have it.
    """

    average_precision: float | None = None
    roc_auc: float | None = None


@dataclass(frozen=True, repr=False)
class MultilabelScore(Score):
    """How a classifier fares on images with several labels: `accuracy` is that of whole images (every label right),
    `loss` the mean over images and classes, `per_class` has LabelScores, `confusion` is empty.

    Attributes:
        threshold: the probability from which a label is given.
    """

    threshold: float = 0.5


@dataclass(frozen=True, repr=False)
class Drawn(Brief):
    """What a node of a graph drew in a training pass.

    Attributes:
        kind: "bernoulli", "uniform" or "normal", as its framework was asked for it; else the framework's own word.
        values: of bernoulli 0 (dropped) and 1, of uniform from 0 to 1, of normal with deviation 1; canonical axes.
        rate: of bernoulli: the probability of 0, as its framework was told.
    """

    kind: str
    values: Array
    rate: float = 0.0


@dataclass(frozen=True)
class Check:
    """One comparison of two things that should be the same.

    Attributes:
        name: as `logits.tensorflow`.
        difference: what was measured, in the unit of the tolerance (relative, unless `detail` says otherwise).
        tolerance: the largest difference that passes.
        passed: difference <= tolerance, and finite.
        detail: where it is largest, what the noise floor was, how the tolerance was derived.
        decided: False where it did not pass, and no mistake is shown: the net's own noise is as large, or it tells
            nothing.
    """

    name: str
    difference: float
    tolerance: float
    passed: bool
    detail: str = ""
    decided: bool = True


@dataclass(frozen=True)
class Declared:
    """Something of a source's training that a conversion doesn't keep. It has to be accepted, by its name.

    Attributes:
        name: the kind of loss, as `outputs`, `noise` or `state`; once a source.
        where: module paths.
        what: what the source does there in training.
        effect: how far that moves the logits of one training pass, relative to the largest; None: not measurable.
    """

    name: str
    where: tuple[str, ...]
    what: str
    effect: float | None = None

    @property
    def text(self) -> str:
        """What, and where; without the figure, which machines round each in their way."""
        more = f" and {len(self.where) - FEW} more" if len(self.where) > FEW else ""
        return f"{self.name} ({', '.join(self.where[:FEW])}{more}): {self.what}"

    def __str__(self) -> str:
        moved = f"; without it the logits in training differ by {self.effect:.1e}" if self.effect else ""
        moved = "; the logits in training stay the same without it" if self.effect == 0 else moved
        return f"{self.text}{moved}"


@dataclass(frozen=True, repr=False)
class Certificate(Brief):
    """Checks that were run together, what they were run on, and what was known not to be the same."""

    checks: tuple[Check, ...]
    environment: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA
    declared: tuple[Declared, ...] = ()

    @property
    def verdict(self) -> Literal["passed", "declared", "failed"]:
        """In a word; "declared": what the checks look at is the same, and what isn't kept is named and accepted."""
        return "failed" if not self.passed else "declared" if self.declared else "passed"

    @property
    def passed(self) -> bool:
        """Whether every check passed; a certificate without checks did not."""
        return bool(self.checks) and all(check.passed for check in self.checks)
