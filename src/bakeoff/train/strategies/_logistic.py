"""Multinomial logistic regression on features: L-BFGS, and the strength of its penalty by cross-validation.

The objective is scikit-learn's: C * (sum of cross-entropies) + |W|^2 / 2, on features with mean 0 and variance 1 (of
the training split); the bias is free. The scaling is folded into the head afterwards, so that it takes raw features.
"""

from __future__ import annotations

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
        losses: mean cross-entropy on all rows after each iteration of the last fit.
    """

    kernel: Array
    bias: Array
    penalty: float
    scores: dict[float, float] = field(default_factory=dict)
    losses: tuple[float, ...] = ()


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
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):  # ten columns are too few to share: a second thread only waits
        return _fit(rows, labels, classes, penalties, folds, seed, max_iterations, progress)


def _fit(
    rows: Array,
    labels: Array,
    classes: int,
    penalties: Sequence[float],
    folds: int,
    seed: int,
    max_iterations: int,
    progress: Callable[[int, int], None],
) -> Head:
    mean, scale = rows.mean(0, dtype="float64"), rows.std(0, dtype="float64")
    scale = np.where(scale > 1e-6, scale, 1.0)
    x = ((rows - mean) / scale).astype("float32")
    smallest = int(np.bincount(labels, minlength=classes).min())
    folds = min(folds, smallest)
    scores: dict[float, float] = {}
    starts: dict[float, tuple[Array, Array]] = {}
    if len(penalties) > 1 and folds >= 2:
        scores, starts = _cross_validate(x, labels, classes, sorted(penalties), folds, seed, max_iterations, progress)
    penalty = min(scores, key=lambda c: (scores[c], c)) if scores else sorted(penalties)[len(penalties) // 2]
    losses: list[float] = []
    everything = np.ones((len(x), 1), bool)
    kernels, biases = _regress(
        x, labels, classes, penalty, max_iterations, everything, starts.get(penalty), losses=losses
    )
    kernel, bias = kernels[:, 0] / scale[:, None], biases[0]
    return Head(kernel, bias - mean @ kernel, penalty, scores, tuple(losses))


def _cross_validate(
    x: Array,
    labels: Array,
    classes: int,
    penalties: Sequence[float],
    folds: int,
    seed: int,
    max_iterations: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[float, float], dict[float, tuple[Array, Array]]]:
    """Mean cross-entropy on the held folds, by C, and the mean head of the folds as a start.

    From strict to loose, until the score has turned upwards: the objective's path is smooth, the score has one valley,
    and loose penalties are the slow ones. Each fit starts where the stricter one ended; all folds are fitted at once.
    """
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(folds, shuffle=True, random_state=key(seed, "folds") % 2**32)
    held = np.zeros((len(x), folds), bool)
    for fold, (_, rows) in enumerate(splitter.split(x, labels)):
        held[rows, fold] = True
    start: tuple[Array, Array] | None = None
    scores: dict[float, float] = {}
    means: dict[float, tuple[Array, Array]] = {}
    for number, penalty in enumerate(penalties):
        start = _regress(x, labels, classes, penalty, max_iterations, ~held, start, tolerance=LOOSE)
        kernel, bias = start
        logits = (x @ kernel.astype("float32").reshape(x.shape[1], -1)).reshape(len(x), *kernel.shape[1:]) + bias
        judged = logits[held]  # every picture once, in the order of the pictures
        scores[penalty] = float(log_loss(judged, labels))
        progress(number + 1, len(penalties))
        means[penalty] = kernel.mean(1, keepdims=True), bias.mean(0, keepdims=True)
        if scores[penalty] > min(scores.values()):
            break
    return scores, means


def _regress(
    x: Array,
    labels: Array,
    classes: int,
    penalty: float,
    max_iterations: int,
    used: Array,
    start: tuple[Array, Array] | None = None,
    tolerance: float = TOLERANCE,
    losses: list[float] | None = None,
) -> tuple[Array, Array]:
    """Minimise, for each column k of `used`, mean cross-entropy over its rows + |W|^2 / (2 C rows), by SciPy's L-BFGS.

    The problems are independent and minimised as one: the product with x, which is all the work, costs about as much
    for five heads as for one.

    Args:
        losses: takes the cross-entropy after each iteration, the penalty apart.

    Returns:
        Kernels (d, k, classes) and biases (k, classes).
    """
    from scipy.optimize import minimize

    n, d = x.shape
    problems = used.shape[1]
    counts = used.sum(0)
    strength = (1 / (penalty * counts))[:, None]
    share = (used / counts).astype("float32")[:, :, None]
    wide, everyone = np.ascontiguousarray(x.T), np.arange(n)

    last = [0.0]  # of the point that was tried last: at the end of an iteration, the one it went to

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(d + 1, problems, classes)
        single = weights.astype("float32")
        logits = (x @ single[:-1].reshape(d, -1)).reshape(n, problems, classes) + single[-1]
        logits -= logits.max(2, keepdims=True)
        true = logits[everyone, :, labels]
        np.exp(logits, out=logits)
        sums = logits.sum(2, keepdims=True)
        loss = float(((np.log(sums[:, :, 0]) - true) * share[:, :, 0]).sum(dtype="float64"))
        last[0] = loss
        logits /= sums
        logits[everyone, :, labels] -= 1
        logits *= share
        gradient = np.empty_like(weights)
        gradient[:-1] = (wide @ logits.reshape(n, -1)).reshape(d, problems, classes) + strength * weights[:-1]
        gradient[-1] = logits.sum(0)
        return loss + 0.5 * float((strength * weights[:-1] ** 2).sum()), gradient.ravel()

    first = np.zeros((d + 1, problems, classes))
    if start is not None:
        first[:-1], first[-1] = start
    options = {"maxiter": max_iterations, "gtol": 1e-6, "ftol": tolerance}

    def after(_: Array) -> None:
        if losses is not None:
            losses.append(last[0])

    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options, callback=after)
    weights = found.x.reshape(d + 1, problems, classes)
    return weights[:-1], weights[-1]
