"""What a kind of classification means, one file each: probabilities, answers, what is right, what is scored.

single       a softmax over the classes, one label an image
binary       the same for two classes, with one sigmoid logit
multilabel   a sigmoid a class; an image may have several labels, or none

A model knows its kind by its loss; predictions have it in the shape of their labels and logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import CorruptError
from bakeoff.evaluation.kinds.binary import Binary
from bakeoff.evaluation.kinds.multilabel import Multilabel
from bakeoff.evaluation.kinds.single import Single
from bakeoff.schemas import Array, Predictions, Score

if TYPE_CHECKING:
    from bakeoff.evaluation.judged import Judged

__all__ = ["BINARY", "MULTILABEL", "SINGLE", "Kind", "choice_of", "losses", "of", "of_loss", "of_predictions"]


class Kind(Protocol):
    """What is asked of a kind. Answers are int64, (N,), or of several labels bool, (N, classes).

    Attributes:
        name: as measures name it.
        loss: the page by which labels judge logits.
        choice: the measure that trainings are chosen by.
        multilabel: whether images may have several labels.
        undefined: figures of other kinds that `evaluate --json` has as null.

    outputs        how many logits
    probabilities  of each class, (N, classes), in float64
    averaged       logits whose probabilities are the mean of those of the parts, in float64
    answers        what is said of each image
    right          (N,): which images are answered rightly, in whole
    losses         (N,): the cross-entropy of each image in nats, in float64; no logit is too large for it
    likelihood     (N,): the larger, the more likely the model finds an image's labels
    threshold      the probability from which a label is given, chosen on these images; 0.5 where none is needed
    stated         probabilities that were stated, and whether what they were stated of is so
    questions      (scores, positive) of each class against all others
    counts         (classes,) each: images that show the class, images that were called so, images of both
    score          the value that holds the figures of this kind
    row            what `predict` says of one image; of equals the first class comes first
    """

    name: str
    loss: str
    choice: str
    multilabel: bool
    undefined: tuple[str, ...]

    def outputs(self, classes: int) -> int: ...
    def probabilities(self, logits: Array) -> NDArray[np.float64]: ...
    def averaged(self, parts: Sequence[Array]) -> Array: ...
    def answers(self, logits: Array, threshold: float = 0.5) -> Array: ...
    def right(self, answers: Array, labels: Array) -> NDArray[np.bool_]: ...
    def losses(self, logits: Array, labels: Array) -> NDArray[np.float64]: ...
    def likelihood(self, logits: Array, labels: Array) -> NDArray[np.float64]: ...
    def threshold(self, tuned_on: Predictions) -> float: ...
    def stated(self, logits: Array, labels: Array) -> tuple[Array, Array]: ...
    def questions(self, probabilities: Array, labels: Array) -> list[tuple[Array, Array]]: ...
    def counts(self, answers: Array, labels: Array, classes: int) -> tuple[Array, Array, Array]: ...
    def score(self, judged: Judged, common: dict[str, Any]) -> Score: ...
    def row(self, shares: Array, classes: Sequence[str], threshold: float, top: int) -> dict[str, Any]: ...


SINGLE, BINARY, MULTILABEL = Single(), Binary(), Multilabel()
ALL: tuple[Kind, ...] = (SINGLE, BINARY, MULTILABEL)


def of(*, multilabel: bool, outputs: int) -> Kind:
    """The kind whose nets have so many logits."""
    return MULTILABEL if multilabel else BINARY if outputs == 1 else SINGLE


def of_loss(loss: str) -> Kind:
    """The kind that is trained with that page.

    Raises:
        CorruptError: none is, as in a bundle that was edited.
    """
    for kind in ALL:
        if kind.loss == loss:
            return kind
    raise CorruptError(f"loss {loss!r}: expected one of {', '.join(kind.loss for kind in ALL)}. Train the run again.")


def of_predictions(found: Predictions) -> Kind:
    """The kind, by the shapes of labels and logits."""
    return of(multilabel=found.labels.ndim == 2, outputs=found.logits.shape[-1])


def choice_of(row: Mapping[str, Any], before: str = "") -> str:
    """The measure that a row of figures is chosen by: that of several labels where the row has it, else the accuracy.

    Args:
        before: what the names in the row begin with, as `validation_`.
    """
    return next((kind.choice for kind in reversed(ALL) if before + kind.choice in row), "accuracy")


def losses(logits: Array, labels: Array) -> NDArray[np.float64]:
    """The cross-entropy of each image in nats, (N,), of whatever kind the shapes are.

    Args:
        logits: (N, classes), or (N, 1) for one binary logit (the logit of class 1).
        labels: integers, (N,); where images may have several, (N, classes), of 0 and 1.

    Raises:
        ValueError: there is no image, or the shapes don't fit.
    """
    if logits.ndim != 2 or logits.shape[0] != labels.shape[0] or 0 in logits.shape:
        raise ValueError(f"got logits {logits.shape} for labels {labels.shape}, expected (N, classes) and (N,), N > 0")
    if labels.ndim == 2 and labels.shape != logits.shape:
        raise ValueError(f"got logits {logits.shape} for labels {labels.shape}, expected the same shape")
    return of(multilabel=labels.ndim == 2, outputs=logits.shape[1]).losses(logits, labels)
