"""single: one label an image; a logit a class, and a softmax over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluation.statistics.confusion import confusion
from bakeoff.schemas import Array, ClassScore, Predictions, Score

if TYPE_CHECKING:
    from bakeoff.evaluation.judged import Judged


class Single:
    """See `bakeoff.evaluation.kinds.Kind`."""

    name = "single"
    loss = "softmax_cross_entropy"
    choice = "accuracy"
    multilabel = False
    undefined: tuple[str, ...] = ()

    def outputs(self, classes: int) -> int:
        """One a class."""
        return classes

    def probabilities(self, logits: Array) -> NDArray[np.float64]:
        """The softmax; rows add up to 1."""
        wide = logits.astype(np.float64)
        powers = np.exp(wide - wide.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)

    def averaged(self, parts: Sequence[Array]) -> Array:
        """The log of the mean of the softmaxes."""
        wide = np.stack([part.astype("float64") for part in parts])
        shares = wide - np.logaddexp.reduce(wide, axis=-1, keepdims=True)
        mean: Array = np.logaddexp.reduce(shares, axis=0) - np.log(len(parts))
        return mean

    def answers(self, logits: Array, threshold: float = 0.5) -> NDArray[np.int64]:
        """The most probable class, (N,); the first of equals."""
        return np.asarray(np.argmax(logits, axis=1), dtype=np.int64)

    def right(self, answers: Array, labels: Array) -> NDArray[np.bool_]:
        """Where the answer is the label."""
        return np.asarray(answers == labels)

    def losses(self, logits: Array, labels: Array) -> NDArray[np.float64]:
        """log(sum(exp(z))) - z[label], with the largest z taken out of the sum."""
        wide = logits.astype(np.float64)
        shifted = wide - wide.max(axis=1, keepdims=True)
        own = shifted[np.arange(len(labels)), labels]
        return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - own, dtype=np.float64)

    def likelihood(self, logits: Array, labels: Array) -> NDArray[np.float64]:
        """The probability of the label."""
        return np.asarray(self.probabilities(logits)[np.arange(len(labels)), labels], dtype=np.float64)

    def threshold(self, tuned_on: Predictions) -> float:
        """None is needed: the most probable class is the answer."""
        return 0.5

    def stated(self, logits: Array, labels: Array) -> tuple[Array, Array]:
        """The probability of each answer, and whether it is right."""
        return self.probabilities(logits).max(1), self.answers(logits) == labels

    def questions(self, probabilities: Array, labels: Array) -> list[tuple[Array, Array]]:
        """Of two classes the second alone: the first asks the same."""
        classes = probabilities.shape[1]
        return [(probabilities[:, k], labels == k) for k in ([1] if classes == 2 else range(classes))]

    def counts(self, answers: Array, labels: Array, classes: int) -> tuple[Array, Array, Array]:
        """Row sums, column sums and diagonal of the confusion table."""
        table = confusion(answers, labels, classes)
        return table.sum(1), table.sum(0), table.diagonal()

    def score(self, judged: Judged, common: dict[str, Any]) -> Score:
        """With the confusion table."""
        table = confusion(judged.answers, judged.labels, len(judged.classes))
        rows = tuple(ClassScore(**row) for row in judged.per_class())
        return Score(**common, per_class=rows, confusion=tuple(tuple(map(int, row)) for row in table))

    def row(self, shares: Array, classes: Sequence[str], threshold: float, top: int) -> dict[str, Any]:
        """`label`, `probability` and `top`."""
        order = np.argsort(-shares, kind="stable")[:top]
        best = [[classes[index], float(shares[index])] for index in order]
        return {"label": best[0][0], "probability": best[0][1], "top": best}
