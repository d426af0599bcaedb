"""Multinomial logistic regression on features: L-BFGS, and the strength of its penalty by cross-validation.

The objective is scikit-learn's: C * (sum of cross-entropies) + |W|^2 / 2, on features with mean 0 and variance 1 (of the
training split); the bias is free. The scaling is folded into the head afterwards, so that the head takes raw features.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bakeoff.metrics.log_loss import log_loss
from bakeoff.schemas import Array
from bakeoff.seeds import key

TOLERANCE = 1e-7  # relative decrease of the objective at which the head is done
LOOSE = 1e-4  # in cross-validation, which only ranks penalties


@dataclass(frozen=True)
class Head:
    """A linear head on raw features.

    Attributes:
        kernel: (features, classes).
        bias: (classes,).
        penalty: the chosen C.
        scores: mean cross-entropy over the folds, by C.
    """

    kernel: Array
    bias: Array
    penalty: float
    scores: dict[float, float] = field(default_factory=dict)


def fit(
    rows: Array,
    labels: Array,
    classes: int,
    *,
    penalties: Sequence[float],
    folds: int = 5,
    seed: int = 0,
    max_iterations: int = 1000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Head:
    """A head on features (n, d) for labels (n,).

    Cross-validation is left out where there is one penalty, or a class has fewer pictures than two folds need.
    """
    mean, scale = rows.mean(0, dtype="float64"), rows.std(0, dtype="float64")
    scale = np.where(scale > 1e-6, scale, 1.0)
    x = ((rows - mean) / scale).astype("float32")
    smallest = int(np.bincount(labels, minlength=classes).min())
    folds = min(folds, smallest)
    scores: dict[float, float] = {}
    if len(penalties) > 1 and folds >= 2:
        scores = _cross_validate(x, labels, classes, sorted(penalties), folds, seed, max_iterations, progress)
    penalty = min(scores, key=lambda c: (scores[c], c)) if scores else sorted(penalties)[len(penalties) // 2]
    kernel, bias = _regress(x, labels, classes, penalty, max_iterations)
    kernel = kernel / scale[:, None]
    return Head(kernel, bias - mean @ kernel, penalty, scores)


def _cross_validate(
    x: Array,
    labels: Array,
    classes: int,
    penalties: Sequence[float],
    folds: int,
    seed: int,
    max_iterations: int,
    progress: Callable[[int, int], None],
) -> dict[float, float]:
    """Mean cross-entropy on the held folds, from strict to loose, until it has turned upwards.

    The objective's path is smooth and the score has one valley; loose penalties are the slow ones. Each fit starts where
    the stricter one of its fold ended.
    """
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(folds, shuffle=True, random_state=key(seed, "folds") % 2**32)
    parts = [(np.ascontiguousarray(x[chosen]), labels[chosen], held) for chosen, held in splitter.split(x, labels)]
    starts: list[tuple[Array, Array] | None] = [None] * folds
    scores: dict[float, float] = {}
    for number, penalty in enumerate(penalties):
        total = 0.0
        for fold, (rows, truth, held) in enumerate(parts):
            kernel, bias = _regress(rows, truth, classes, penalty, max_iterations, starts[fold], tolerance=LOOSE)
            starts[fold] = (kernel, bias)
            logits = x[held] @ kernel.astype("float32") + bias
            total += float(log_loss(logits, labels[held])) * len(held) / len(labels)
            progress(number * folds + fold + 1, len(penalties) * folds)
        scores[penalty] = total
        if total > min(scores.values()):
            break
    return scores


def _regress(
    x: Array,
    labels: Array,
    classes: int,
    penalty: float,
    max_iterations: int,
    start: tuple[Array, Array] | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[Array, Array]:
    """Minimise mean cross-entropy + |W|^2 / (2 C n) over (W, b) with SciPy's L-BFGS."""
    from scipy.optimize import minimize

    n, d = x.shape
    hot = np.zeros((n, classes), "float32")
    hot[np.arange(n), labels] = 1
    strength = 1 / (penalty * n)
    wide = np.ascontiguousarray(x.T)

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(d + 1, classes)
        logits = x @ weights[:-1].astype("float32") + weights[-1].astype("float32")
        logits -= logits.max(1, keepdims=True)
        exponents = np.exp(logits)
        sums = exponents.sum(1, keepdims=True)
        loss = float((np.log(sums[:, 0], dtype="float64") - (logits * hot).sum(1, dtype="float64")).mean())
        residual = (exponents / sums - hot) / np.float32(n)
        gradient = np.empty_like(weights)
        gradient[:-1] = wide @ residual + strength * weights[:-1]
        gradient[-1] = residual.sum(0)
        return loss + 0.5 * strength * float((weights[:-1] ** 2).sum()), gradient.ravel()

    first = np.zeros((d + 1, classes))
    if start is not None:
        first[:-1], first[-1] = start
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"maxiter": max_iterations, "gtol": 1e-6, "ftol": tolerance}
        found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    weights = found.x.reshape(d + 1, classes)
    return weights[:-1], weights[-1]
