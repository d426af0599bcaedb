"""Figures of images with several labels, against scikit-learn and by trying every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from bakeoff.errors import UsageError
from bakeoff.evaluation.details import details
from bakeoff.evaluation.judged import Judged
from bakeoff.evaluation.kinds import MULTILABEL, losses
from bakeoff.evaluation.kinds.multilabel import best_threshold
from bakeoff.evaluation.measures import macro_f1, micro_f1
from bakeoff.evaluation.scores import figure, right, score, threshold_of
from bakeoff.evaluation.statistics.calibration import temperature
from bakeoff.schemas import MultilabelScore, Predictions

NAMES = ("a", "b", "c", "never")


def drawn(count: int = 200, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, 4)) < [0.3, 0.5, 0.05, 0.0]).astype(np.uint8)
    logits = (rng.normal(size=(count, 4)) * 2 + 2.5 * labels - 1).astype("float32").round(1)  # with ties
    return Predictions(logits, labels, np.arange(count))


@pytest.mark.parametrize("seed", range(4))
def test_a_score_is_that_of_scikit_learn(seed: int) -> None:
    found = drawn(seed=seed)
    result = score(found, NAMES, 0.4)
    assert isinstance(result, MultilabelScore)
    chances, truth = MULTILABEL.probabilities(found.logits), found.labels
    np.testing.assert_allclose(chances, 1 / (1 + np.exp(-found.logits.astype("float64"))), rtol=1e-12)
    said = chances >= 0.4
    there = [k for k in range(4) if truth[:, k].any()]
    for k in there:
        row = result.per_class[k]
        assert row.average_precision == pytest.approx(sk.average_precision_score(truth[:, k], chances[:, k]))
        assert row.roc_auc == pytest.approx(sk.roc_auc_score(truth[:, k], chances[:, k]))
        assert row.f1 == pytest.approx(sk.f1_score(truth[:, k], said[:, k], zero_division=0))
        assert row.precision == pytest.approx(sk.precision_score(truth[:, k], said[:, k], zero_division=0))
        assert row.recall == pytest.approx(sk.recall_score(truth[:, k], said[:, k]))
    assert result.per_class[3].average_precision is None
    assert result.per_class[3].roc_auc is None
    mean = np.mean([sk.average_precision_score(truth[:, k], chances[:, k]) for k in there])
    assert result.figures["mean_average_precision"] == pytest.approx(mean)
    assert figure(result) == pytest.approx(mean)
    assert result.figures["micro_f1"] == pytest.approx(sk.f1_score(truth, said, average="micro"))
    assert result.accuracy == pytest.approx(sk.accuracy_score(truth, said))  # of whole rows
    each = [sk.log_loss(truth[:, k], chances[:, k], labels=[0, 1]) for k in range(4)]
    assert result.loss == pytest.approx(np.mean(each))


def test_macro_f1_leaves_out_what_is_neither_there_nor_said() -> None:
    truth = np.array([[1, 0, 0], [1, 1, 0]])
    said = np.array([[True, False, False], [True, False, False]])
    judged = Judged(Predictions(np.where(said, 3.0, -3.0), truth, np.arange(2)), ("a", "b", "c"))
    assert (micro_f1.value(judged), macro_f1.value(judged)) == (pytest.approx(4 / 5), pytest.approx(0.5))
    nothing = Judged(Predictions(judged.logits[:, 2:], truth[:, 2:], np.arange(2)), ("c",))
    assert (micro_f1.value(nothing), macro_f1.value(nothing)) == (None, None)


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_is_better_than_the_chosen_one(seed: int) -> None:
    found = drawn(60, seed)
    chances = MULTILABEL.probabilities(found.logits)
    chosen = best_threshold(chances, found.labels)
    tried = np.unique(chances)
    best = max(sk.f1_score(found.labels, chances >= each, average="micro") for each in tried)
    assert sk.f1_score(found.labels, chances >= chosen, average="micro") == pytest.approx(best)
    assert chosen not in tried, "halfway between two answers"
    assert threshold_of(found) == chosen
    assert threshold_of(None) == 0.5
    assert best_threshold(chances, np.zeros_like(found.labels)) == 0.5


def test_of_equal_thresholds_the_nearest_to_one_half() -> None:
    assert best_threshold(np.array([[0.9, 0.1]]), np.array([[1, 0]])) == pytest.approx(0.5)
    assert 0.6 < best_threshold(np.array([[0.9, 0.6]]), np.array([[1, 0]])) < 0.9


def test_a_image_is_right_where_all_its_labels_are() -> None:
    found = Predictions(np.array([[3.0, -3], [3, -3], [-3, -3]]), np.array([[1, 0], [1, 1], [0, 0]]), np.arange(3))
    assert right(found, 0.5).tolist() == [True, False, True]
    assert right(found).sum() == 2
    one = Predictions(found.logits, np.array([0, 1, 0]), found.records)
    assert right(one).tolist() == [True, False, True]


def test_details_of_several_labels() -> None:
    found, tuned_on = drawn(300), drawn(300, 1)
    said = details(found, NAMES, tuned_on)
    assert said["coverage"] is None
    assert said["top5_accuracy"] is None
    fitted = said["calibration"]["temperature"]
    around = [losses(tuned_on.logits / each, tuned_on.labels).mean() for each in (fitted * 0.98, fitted, fitted * 1.02)]
    assert min(around) == around[1]
    assert fitted == temperature(tuned_on.logits, tuned_on.labels)
    assert sum(row["num"] for row in said["calibration"]["bins"]) == found.labels.size


def test_logits_of_another_shape_are_refused() -> None:
    found = drawn(5)
    with pytest.raises(UsageError, match="3 classes"):
        score(found, NAMES[:3])
    with pytest.raises(ValueError, match="same shape"):
        losses(found.logits[:, :3], found.labels)
