"""Whether the true class is among the k most probable."""

from __future__ import annotations

import numpy as np

from bakeoff.schemas import Array


def top_k_accuracy(logits: Array, labels: Array, k: int) -> float:
    """The share of pictures whose true class is among the k highest logits; of equals the first class goes first.

    Args:
        logits: (N, classes), k < classes.
        labels: (N,).
    """
    best = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return float((best == np.asarray(labels)[:, None]).any(1).mean())
