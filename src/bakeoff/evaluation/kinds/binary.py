"""binary: one label of two an image; one logit z, that of the second class: the softmax of (0, z)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bakeoff.evaluation.kinds.single import Single
from bakeoff.schemas import Array


class Binary(Single):
    """See `bakeoff.evaluation.kinds.Kind`."""

    name = "binary"
    loss = "binary_cross_entropy"

    def outputs(self, classes: int) -> int:
        """One for the two classes."""
        return 1

    def probabilities(self, logits: Array) -> NDArray[np.float64]:
        """(1 / (1 + exp(z)), 1 / (1 + exp(-z)))."""
        return super().probabilities(np.concatenate([np.zeros_like(logits), logits], axis=1))

    def averaged(self, parts: Sequence[Array]) -> Array:
        """The logit of the mean of the sigmoids."""
        return averaged(parts)

    def answers(self, logits: Array, threshold: float = 0.5) -> NDArray[np.int64]:
        """1 where the logit is above 0."""
        return np.asarray(logits[:, 0] > 0, dtype=np.int64)

    def losses(self, logits: Array, labels: Array) -> NDArray[np.float64]:
        """log(1 + exp(-z)) for label 1 and log(1 + exp(z)) for label 0."""
        sign = np.where(labels == 1, -1.0, 1.0)
        return np.asarray(np.logaddexp(0.0, sign * logits.astype(np.float64)[:, 0]), dtype=np.float64)


def averaged(parts: Sequence[Array]) -> Array:
    """Logits whose sigmoids are the mean of those of the parts."""
    wide = np.stack([part.astype("float64") for part in parts])
    yes, no = (-np.logaddexp(0.0, sign * wide) for sign in (-1.0, 1.0))
    found: Array = np.logaddexp.reduce(yes, axis=0) - np.logaddexp.reduce(no, axis=0)
    return found
