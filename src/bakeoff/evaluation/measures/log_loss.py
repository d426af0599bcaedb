"""How surprised the classifier is by the true labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.schemas import Array


def log_loss(logits: Array, labels: Array) -> float:
    """Mean cross-entropy in nats, in float64 whatever came.

    Args:
        logits: (N, classes), or (N, 1) for one binary logit (the logit of class 1).
        labels: integers, (N,); where pictures may have several, (N, classes), of 0 and 1.

    Raises:
        ValueError: there is no picture, or the shapes don't fit.
    """
    return float(np.mean(losses(logits, labels)))


def losses(logits: Array, labels: Array) -> NDArray[np.float64]:
    """The cross-entropy of each picture in nats, (N,); no logit is too large for it.

    log(sum(exp(z))) - z[label], with the largest z taken out of the sum; with one logit z of class 1 this is
    log(1 + exp(-z)) for label 1 and log(1 + exp(z)) for label 0. Of several labels, the mean of that over the classes.
    """
    if logits.ndim != 2 or logits.shape[0] != labels.shape[0] or 0 in logits.shape:
        raise ValueError(f"got logits {logits.shape} for labels {labels.shape}, expected (N, classes) and (N,), N > 0")
    wide = logits.astype(np.float64)
    if labels.ndim == 2:
        if labels.shape != logits.shape:
            raise ValueError(f"got logits {logits.shape} for labels {labels.shape}, expected the same shape")
        return np.asarray(np.logaddexp(0.0, np.where(labels > 0, -wide, wide)).mean(1), dtype=np.float64)
    if wide.shape[1] == 1:
        sign = np.where(labels == 1, -1.0, 1.0)
        return np.asarray(np.logaddexp(0.0, sign * wide[:, 0]), dtype=np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    own = shifted[np.arange(len(labels)), labels]
    return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - own, dtype=np.float64)
