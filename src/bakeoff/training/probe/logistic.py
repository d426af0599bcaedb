"""Logistic regression on features: L-BFGS, and the strength of its penalty by cross-validation.

The objective is scikit-learn's: C * (sum of weighted cross-entropies) + |W|^2 / 2, on features with mean 0 and variance
1 (of the training set); the bias is free. The scaling is folded into the head afterwards, so that it takes raw
features. The views of an image share its weight: C means the same whatever their number. Of one label an image the
cross-entropy is the softmax's; of several, each class has its own, binary one (one against the rest), all under one C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bakeoff.data.labels import strata
from bakeoff.evaluation.kinds import losses as losses_of
from bakeoff.evaluation.statistics.calibration import temperature
from bakeoff.schemas import Array
from bakeoff.seeds import key, rng
from bakeoff.system import cpus

TOLERANCE = 1e-7  # relative decrease of the objective at which the head is done
LOOSE = 1e-4  # in cross-validation, which only ranks penalties
BLOCK, BLOCKS = 512, 8  # least rows that a thread takes at a time, most times: sums don't depend on the threads


@dataclass(frozen=True)
class Head:
    """A linear head on raw features.

    Attributes:
        kernel: (features, classes).
        bias: (classes,).
        penalty: the chosen C.
        scores: mean cross-entropy over the folds, by C.
        losses: mean cross-entropy on all rows after each iteration of the last fit.
        temperature: by which the logits were divided; 1: by nothing.
        held: (n, classes), logits of the images, each by the fold that held it back, at the chosen C; None where there
            was no cross-validation.
    """

    kernel: Array
    bias: Array
    penalty: float
    scores: dict[float, float] = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    temperature: float = 1.0
    held: Array | None = None


@dataclass(frozen=True)
class _Task:
    """What every fit is about.

    Attributes:
        x: (n, d), standardised; the views of the images one after the other, all of them in the same order.
        labels: (n,), or (n, classes) where images have several.
        weights: (n,), of the rows' cross-entropies.
        views: how many an image has.
        positives: (classes,), weights of the answer yes, where images have several labels.
        map: the built-in one, or that of threads.
    """

    x: Array
    labels: Array
    weights: Array
    classes: int
    views: int
    max_iterations: int
    positives: Array | None = None
    map: Callable[..., Iterable[Any]] = map

    @property
    def multilabel(self) -> bool:
        """Whether images may have several labels."""
        return self.labels.ndim == 2

    @property
    def images(self) -> int:
        """How many; the first rows are their first views."""
        return len(self.x) // self.views


def fit(
    rows: Array,
    labels: Array,
    classes: int,
    *,
    penalties: Sequence[float],
    folds: int = 5,
    seed: int = 0,
    max_iterations: int = 1000,
    views: int = 1,
    class_weights: Array | None = None,
    cooled: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Head:
    """A head on features for labels.

    Cross-validation is left out where there is one penalty, or a class has fewer images than two folds need.

    Args:
        rows: (views * n, d): the plain view of all images, then the next view of all, in the same order.
        labels: (n,), of the images; (n, classes), of 0 and 1, where they have several.
        class_weights: (classes,), on the cross-entropy of a class's images; None: 1 each. Of several labels, on that
            of the answer yes.
        cooled: divide the logits by the temperature that suits those of the folds, each made without its images.
    """
    import scipy.optimize  # noqa: F401  (its BLAS, too, is to be limited)
    from threadpoolctl import threadpool_limits

    multilabel = labels.ndim == 2
    plain = class_weights is None or multilabel
    weights = np.ones(len(labels)) if plain else np.asarray(class_weights, "float64")[labels]
    positives = np.ones(classes) if class_weights is None else np.asarray(class_weights, "float64")
    mean, scale = rows.mean(0, dtype="float64"), rows.std(0, dtype="float64")
    scale = np.where(scale > 1e-6, scale, 1.0)
    x = ((rows - mean) / scale).astype("float32")
    repeated = np.tile(labels, (views, 1)) if multilabel else np.tile(labels, views)
    row_weights = np.tile(weights, views) / views
    limits = threadpool_limits(1, user_api="blas")  # ten columns are too few to share: rows are
    with limits, ThreadPoolExecutor(cpus(), "bakeoff-head") as pool:
        own = pool.map if len(x) > BLOCK else map
        task = _Task(x, repeated, row_weights, classes, views, max_iterations, positives if multilabel else None, own)
        found = _fit(task, sorted(penalties), folds, seed, progress)
        if cooled:
            found = _cooled(task, found, folds, seed)
    kernel = found.kernel / scale[:, None]
    return replace(found, kernel=kernel, bias=found.bias - mean @ kernel)


def _fit(task: _Task, penalties: Sequence[float], folds: int, seed: int, progress: Callable[[int, int], None]) -> Head:
    """The head on standardised features."""
    smallest = task.images if task.multilabel else np.bincount(task.labels[: task.images], minlength=task.classes).min()
    folds = min(folds, int(smallest))
    scores: dict[float, float] = {}
    starts: dict[float, tuple[Array, Array]] = {}
    judged: dict[float, Array] = {}
    if len(penalties) > 1 and folds >= 2:
        scores, starts, judged = _cross_validate(task, penalties, folds, seed, progress)
    penalty = min(scores, key=lambda c: (scores[c], c)) if scores else penalties[len(penalties) // 2]
    losses: list[float] = []
    everything = np.ones((len(task.x), 1), bool)
    kernels, biases = _regress(task, penalty, everything, starts.get(penalty), losses=losses)
    return Head(kernels[:, 0], biases[0], penalty, scores, tuple(losses), held=judged.get(penalty))


def _cooled(task: _Task, head: Head, folds: int, seed: int) -> Head:
    """The head with its logits divided by a temperature (C. Guo et al. 2017) fitted to what each fold held back.

    Its order of classes, and so its accuracy, stays the same.
    """
    labels = task.labels[: task.images]
    smallest = task.images if task.multilabel else np.bincount(labels, minlength=task.classes).min()
    folds = min(folds, int(smallest))
    if folds < 2:
        return head
    held, plain = _held(labels, folds, seed), task.x[: task.images]
    start = head.kernel[:, None], head.bias[None]
    kernels, biases = _regress(task, head.penalty, np.tile(~held, (task.views, 1)), _repeated(start, folds))
    logits = (plain @ kernels.astype("float32").reshape(plain.shape[1], -1)).reshape(-1, *kernels.shape[1:]) + biases
    found = temperature(logits[held], labels)
    return replace(head, kernel=head.kernel / found, bias=head.bias / found, temperature=found)


def _repeated(start: tuple[Array, Array], folds: int) -> tuple[Array, Array]:
    kernel, bias = start
    return np.repeat(kernel, folds, axis=1), np.repeat(bias, folds, axis=0)


def _cross_validate(
    task: _Task, penalties: Sequence[float], folds: int, seed: int, progress: Callable[[int, int], None]
) -> tuple[dict[float, float], dict[float, tuple[Array, Array]], dict[float, Array]]:
    """Mean cross-entropy on the held folds, the mean head of the folds as a start, and the held images' logits, by C.

    All views of an image are in one fold, and its plain view is judged: that is what the net will be asked. From
    strict to loose, until the score has turned upwards: the objective's path is smooth, the score has one valley, and
    loose penalties are the slow ones. Each fit starts where the stricter one ended; all folds are fitted at once.
    """
    plain, labels, weights = (part[: task.images] for part in (task.x, task.labels, task.weights))
    held = _held(labels, folds, seed)
    used = np.tile(~held, (task.views, 1))
    start: tuple[Array, Array] | None = None
    scores: dict[float, float] = {}
    means: dict[float, tuple[Array, Array]] = {}
    answers: dict[float, Array] = {}
    for number, penalty in enumerate(penalties):
        start = _regress(task, penalty, used, start, tolerance=LOOSE)
        kernel, bias = start
        logits = (plain @ kernel.astype("float32").reshape(plain.shape[1], -1)).reshape(-1, *kernel.shape[1:]) + bias
        judged = answers[penalty] = logits[held]  # every image once, in the order of the images
        if task.positives is None:
            scores[penalty] = float(np.average(losses_of(judged, labels), weights=weights))
        else:
            scores[penalty] = float((_terms(judged, labels > 0, task.positives)[0]).mean())
        progress(number + 1, len(penalties))
        means[penalty] = kernel.mean(1, keepdims=True), bias.mean(0, keepdims=True)
        if scores[penalty] > min(scores.values()):
            break
    return scores, means, answers


def _held(labels: Array, folds: int, seed: int) -> Array:
    """bool, (n, folds): which fold holds each image back; by label, or by the rarest of several labels."""
    held = np.zeros((len(labels), folds), bool)
    if labels.ndim == 1:
        # As scikit-learn's StratifiedKFold (shuffle=True), whose import takes longer than a thousand images.
        draw = np.random.RandomState(key(seed, "folds") % 2**32)
        classes, first = np.unique(labels, return_index=True)
        classes = classes[np.argsort(first)]  # in the order in which they come
        dealt = np.repeat(classes, [np.sum(labels == label) for label in classes])
        for label in classes:
            of_class = np.repeat(np.arange(folds), [np.sum(dealt[fold::folds] == label) for fold in range(folds)])
            draw.shuffle(of_class)
            held[np.flatnonzero(labels == label), of_class] = True
        return held
    order = rng(seed, "folds").permutation(len(labels))
    order = order[np.argsort(strata(labels)[order], kind="stable")]  # dealt out in turn, one stratum after the other
    held[order, np.arange(len(labels)) % folds] = True
    return held


def _terms(logits: Array, there: Array, positives: Array) -> tuple[Array, Array]:
    """Binary cross-entropies of every answer, and their slopes by the logits; of yes times its weight."""
    weights = np.where(there, positives.astype(logits.dtype), logits.dtype.type(1))
    losses = np.logaddexp(0, np.where(there, -logits, logits)) * weights
    slopes = (np.exp(-np.logaddexp(0, -logits)) - there) * weights
    return losses, slopes


def _judge(task: _Task, share: Array) -> Callable[[Array, slice], tuple[float, Array]]:
    """From logits (rows, problems, classes) of some rows to their loss and its slope; the logits may be overwritten.

    Args:
        share: (n, problems, 1), of each row in the mean of each problem.
    """
    if task.positives is not None:
        there, positives = task.labels[:, None, :] > 0, task.positives

        def multilabel(logits: Array, rows: slice) -> tuple[float, Array]:
            losses, slopes = _terms(logits, there[rows], positives)
            slopes = (slopes * share[rows]).astype(logits.dtype, copy=False)
            return float((losses * share[rows]).sum(dtype="float64")), slopes

        return multilabel

    def one(logits: Array, rows: slice) -> tuple[float, Array]:
        everyone, labels = np.arange(len(logits)), task.labels[rows]
        logits -= logits.max(2, keepdims=True)
        true = logits[everyone, :, labels]
        np.exp(logits, out=logits)
        sums = logits.sum(2, keepdims=True)
        loss = float(((np.log(sums[:, :, 0]) - true) * share[rows, :, 0]).sum(dtype="float64"))
        logits /= sums
        logits[everyone, :, labels] -= 1
        logits *= share[rows]
        return loss, logits

    return one


def _regress(
    task: _Task,
    penalty: float,
    used: Array,
    start: tuple[Array, Array] | None = None,
    tolerance: float = TOLERANCE,
    losses: list[float] | None = None,
) -> tuple[Array, Array]:
    """Minimise, for each column k of `used`, mean cross-entropy over its rows + |W|^2 / (2 C rows), by SciPy's L-BFGS.

    Rows count by their weights. The problems are independent and minimised as one: the product with x, which is all
    the work, costs about as much for five heads as for one.

    Args:
        used: bool, (n, k).
        losses: takes the cross-entropy after each iteration, the penalty apart.

    Returns:
        Kernels (d, k, classes) and biases (k, classes).
    """
    from scipy.optimize import minimize

    shape = task.x.shape[1] + 1, used.shape[1], task.classes
    last = [0.0]  # of the point that was tried last: at the end of an iteration, the one it went to
    first = np.zeros(shape)
    if start is not None:
        first[:-1], first[-1] = start
    options = {"maxiter": task.max_iterations, "gtol": 1e-6, "ftol": tolerance}

    def after(_: Array) -> None:
        if losses is not None:
            losses.append(last[0])

    objective = _objective(task, penalty, used, last)
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options, callback=after)
    weights = found.x.reshape(shape)
    return weights[:-1], weights[-1]


def _objective(task: _Task, penalty: float, used: Array, last: list[float]) -> Callable[[Array], tuple[float, Array]]:
    """From weights and biases (d + 1, k, classes), flat, to what `_regress` minimises and its slope, flat.

    Args:
        last: is told the cross-entropy, the penalty apart; of several labels, of an answer.
    """
    x, classes = task.x, task.classes
    n, d = x.shape
    problems = used.shape[1]
    weighted = used * task.weights[:, None]
    counts = weighted.sum(0)
    strength = (1 / (penalty * counts))[:, None]
    share = (weighted / counts).astype("float32")[:, :, None]
    size, judge = max(BLOCK, -(-n // BLOCKS)), _judge(task, share)
    blocks = [slice(at, at + size) for at in range(0, n, size)]
    mean = classes if task.multilabel else 1

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(d + 1, problems, classes)
        single = weights.astype("float32")
        kernel, bias = single[:-1].reshape(d, -1), single[-1]

        def part(rows: slice) -> tuple[float, Array, Array]:
            loss, slope = judge((x[rows] @ kernel).reshape(-1, problems, classes) + bias, rows)
            return loss, (x[rows].T @ slope.reshape(len(slope), -1)).reshape(d, problems, classes), slope.sum(0)

        gradient, loss = np.zeros_like(weights), 0.0
        gradient[:-1] = strength * weights[:-1]
        for found, of_kernel, of_bias in task.map(part, blocks):
            loss += found
            gradient[:-1] += of_kernel
            gradient[-1] += of_bias
        last[0] = loss / mean
        return loss + 0.5 * float((strength * weights[:-1] ** 2).sum()), gradient.ravel()

    return objective
