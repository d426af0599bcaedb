"""multilabel: an image may have several labels, or none; a logit a class, each a question of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluation.kinds.binary import averaged
from bakeoff.schemas import Array, LabelScore, MultilabelScore, Predictions

if TYPE_CHECKING:
    from bakeoff.evaluation.judged import Judged


class Multilabel:
    """See `bakeoff.evaluation.kinds.Kind`."""

    name = "multilabel"
    loss = "multi_label_cross_entropy"
    choice = "mean_average_precision"
    multilabel = True
    undefined: tuple[str, ...] = ("balanced_accuracy", "top5_accuracy")

    def outputs(self, classes: int) -> int:
        """One a class."""
        return classes

    def probabilities(self, logits: Array) -> NDArray[np.float64]:
        """1 / (1 + exp(-z)) of each; rows add up to whatever they do."""
        return np.asarray(np.exp(-np.logaddexp(0.0, -logits.astype(np.float64))), dtype=np.float64)

    def averaged(self, parts: Sequence[Array]) -> Array:
        """The logits of the mean of the sigmoids."""
        return averaged(parts)

    def answers(self, logits: Array, threshold: float = 0.5) -> NDArray[np.bool_]:
        """Yes from the threshold on."""
        return np.asarray(self.probabilities(logits) >= threshold)

    def right(self, answers: Array, labels: Array) -> NDArray[np.bool_]:
        """Where every label is right."""
        return np.asarray((answers == (labels > 0)).all(1))

    def losses(self, logits: Array, labels: Array) -> NDArray[np.float64]:
        """The mean over the classes of the binary cross-entropies."""
        wide = logits.astype(np.float64)
        return np.asarray(np.logaddexp(0.0, np.where(labels > 0, -wide, wide)).mean(1), dtype=np.float64)

    def likelihood(self, logits: Array, labels: Array) -> NDArray[np.float64]:
        """The mean log of the probabilities of all that is there, and of all that isn't."""
        return -self.losses(logits, labels)

    def threshold(self, tuned_on: Predictions) -> float:
        """The best by micro F1."""
        return best_threshold(self.probabilities(tuned_on.logits), tuned_on.labels)

    def stated(self, logits: Array, labels: Array) -> tuple[Array, Array]:
        """All answers together: whether of those given 0.8 four in five are there."""
        return self.probabilities(logits).ravel(), labels.ravel() > 0

    def questions(self, probabilities: Array, labels: Array) -> list[tuple[Array, Array]]:
        """One a class."""
        return [(probabilities[:, k], labels[:, k] > 0) for k in range(probabilities.shape[1])]

    def counts(self, answers: Array, labels: Array, classes: int) -> tuple[Array, Array, Array]:
        """Sums over the images."""
        truth = labels > 0
        return truth.sum(0), answers.sum(0), (answers & truth).sum(0)

    def score(self, judged: Judged, common: dict[str, Any]) -> MultilabelScore:
        """With the ranking of each label, and the threshold."""
        ranks = zip(judged.average_precisions, judged.roc_aucs, strict=True)
        rows = tuple(
            LabelScore(**row, average_precision=precision, roc_auc=auc)
            for row, (precision, auc) in zip(judged.per_class(), ranks, strict=True)
        )
        return MultilabelScore(**common, per_class=rows, confusion=(), threshold=judged.threshold)

    def row(self, shares: Array, classes: Sequence[str], threshold: float, top: int) -> dict[str, Any]:
        """`labels` from the threshold on, `threshold` and `top`."""
        order = np.argsort(-shares, kind="stable")
        pairs = [[classes[index], float(shares[index])] for index in order]
        return {"labels": [pair for pair in pairs if pair[1] >= threshold], "threshold": threshold, "top": pairs[:top]}


def best_threshold(chances: Array, labels: Array) -> float:
    """The probability from which to say yes, with the best micro F1 on these images; the middle between two answers.

    Of equals, the nearest to one half. Choose it on images that it is not judged by.

    Args:
        chances: probabilities (N, classes).
        labels: of 0 and 1, (N, classes).

    Returns:
        0..1; 0.5 where no label is there to find.
    """
    truth = (np.asarray(labels) > 0).ravel()
    if not truth.any():
        return 0.5
    order = np.argsort(-np.asarray(chances, "float64").ravel(), kind="stable")
    sorted_chances = np.asarray(chances, "float64").ravel()[order]
    last = np.append(np.diff(sorted_chances) != 0, True)  # equals are said or not said together
    hits, called = np.cumsum(truth[order])[last], np.flatnonzero(last) + 1
    scores = 2 * hits / (called + truth.sum())
    levels = sorted_chances[last]
    middles = (levels + np.append(levels[1:], 0.0)) / 2
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(middles[best[np.argmin(np.abs(middles[best] - 0.5))]])
