"""Balance, ranking, calibration and coverage, against scikit-learn and against what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from bakeoff.evaluation.judged import Judged
from bakeoff.evaluation.measures import balanced_accuracy, macro_f1
from bakeoff.evaluation.measures.top5_accuracy import top_k
from bakeoff.evaluation.statistics.calibration import calibration_error, reliability, temperature
from bakeoff.evaluation.statistics.coverage import coverage
from bakeoff.evaluation.statistics.ranking import average_precision, roc_auc
from bakeoff.schemas import Predictions


@pytest.mark.parametrize("seed", range(5))
def test_balance_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, called = rng.integers(0, 4, 50), rng.integers(0, 4, 50)
    judged = Judged(Predictions(np.eye(4)[called], labels, np.arange(50)), tuple("abcd"))
    assert balanced_accuracy.value(judged) == pytest.approx(reference.balanced_accuracy_score(labels, called))
    assert macro_f1.value(judged) == pytest.approx(reference.f1_score(labels, called, average="macro"))


def test_a_class_without_images_counts_nowhere() -> None:
    called, labels = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    judged = Judged(Predictions(np.eye(3)[called], labels, np.arange(4)), ("a", "b", "nowhere"))
    assert balanced_accuracy.value(judged) == 0.75
    assert [row["f1"] for row in judged.per_class()][2] is None
    assert macro_f1.value(judged) == pytest.approx((4 / 5 + 2 / 3) / 2)


@pytest.mark.parametrize("decimals", [0, 1, 8])  # 0: almost all are ties
def test_ranking_is_scikit_learns(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    positive = rng.random(80) < 0.3
    scores = np.round(rng.normal(size=80) + positive, decimals)
    assert roc_auc(scores, positive) == pytest.approx(reference.roc_auc_score(positive, scores), abs=1e-12)
    assert average_precision(scores, positive) == pytest.approx(
        reference.average_precision_score(positive, scores), abs=1e-12
    )


def test_no_ranking_of_one_kind() -> None:
    assert roc_auc(np.arange(3.0), np.ones(3, bool)) is None
    assert average_precision(np.arange(3.0), np.zeros(3, bool)) is None


def test_temperature_undoes_a_factor() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(20_000, 5)) * 2
    chances = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    labels = (chances.cumsum(1) > rng.random((len(honest), 1))).argmax(1)
    assert temperature(honest, labels) == pytest.approx(1.0, abs=0.05)
    assert temperature(3 * honest, labels) == pytest.approx(3.0, abs=0.15)
    assert calibration_error(chances.max(1), honest.argmax(1) == labels) < 0.02
    sharp = np.exp(3 * honest) / np.exp(3 * honest).sum(1, keepdims=True)
    assert calibration_error(sharp.max(1), honest.argmax(1) == labels) > 0.1


def test_reliability_counts_every_image() -> None:
    sure = np.array([0.0, 0.5, 0.52, 1.0])
    rows = reliability(sure, np.array([False, True, False, True]), bins=10)
    assert [row.num for row in rows] == [1, 2, 1]
    assert [row.accuracy for row in rows] == [0.0, 0.5, 1.0]
    assert rows[-1].high == 1.0


def test_coverage_falls_and_an_empty_answer_has_no_accuracy() -> None:
    rows = coverage(np.array([0.4, 0.9]), np.array([False, True]), (0.0, 0.5, 0.95))
    assert [(row.coverage, row.accuracy) for row in rows] == [(1.0, 0.5), (0.5, 1.0), (0.0, None)]


def test_top_k_takes_the_first_of_equals() -> None:
    logits = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
    assert top_k(logits, np.array([1, 0]), 1) == 0.0
    assert top_k(logits, np.array([1, 0]), 2) == 0.5
