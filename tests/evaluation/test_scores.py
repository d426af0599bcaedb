"""Scores: every denominator is the number of images, and probabilities keep their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bakeoff.errors import BakeoffError, UsageError
from bakeoff.evaluation.kinds import BINARY, SINGLE
from bakeoff.evaluation.scores import score
from bakeoff.schemas import Predictions

_logits = arrays.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(2, 5)), elements=st.floats(-1e3, 1e3))


def _predictions(logits: np.ndarray, labels: list[int]) -> Predictions:
    return Predictions(logits=logits, labels=np.array(labels, np.int64), records=np.arange(100, 100 + len(labels)))


@given(_logits)
def test_probabilities_add_up_and_keep_the_order(logits: np.ndarray) -> None:
    shares = SINGLE.probabilities(logits)
    assert shares.dtype == np.float64
    assert np.all(shares >= 0)
    assert shares.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    best = SINGLE.answers(logits)
    assert np.all(shares[np.arange(len(best)), best] == shares.max(axis=1))


@given(st.floats(-1e3, 1e3))
def test_one_logit_is_two_classes(logit: float) -> None:
    one, two = np.array([[logit]]), np.array([[0.0, logit]])
    assert BINARY.probabilities(one) == pytest.approx(SINGLE.probabilities(two), abs=1e-15)
    assert BINARY.answers(one) == SINGLE.answers(two)


@given(_logits, st.integers(0, 2**32 - 1))
def test_score_counts_every_image(logits: np.ndarray, seed: int) -> None:
    classes = [f"c{index}" for index in range(logits.shape[1])]
    labels = np.random.default_rng(seed).integers(0, len(classes), len(logits))
    result = score(_predictions(logits, labels.tolist()), classes)
    assert result.num == len(logits) == sum(map(sum, result.confusion)) == sum(one.num for one in result.per_class)
    assert result.accuracy == sum(one.correct for one in result.per_class) / result.num
    assert result.accuracy_interval[0] <= result.accuracy <= result.accuracy_interval[1]
    assert result.loss >= 0


def test_score_of_a_worked_example() -> None:
    logits = np.array([[2.0, 0, 0], [2, 0, 0], [0, 3, 0]], np.float32)
    result = score(_predictions(logits, [0, 1, 1]), ["a", "b", "c"])
    assert result.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 0))
    assert [(one.num, one.correct, one.precision, one.recall) for one in result.per_class] == [
        (1, 1, 0.5, 1.0),
        (2, 1, 1.0, 0.5),
        (0, 0, None, None),
    ]


def test_score_refuses_what_would_lie() -> None:
    with pytest.raises(UsageError, match="no image"):
        score(_predictions(np.zeros((0, 2)), []), ["a", "b"])
    with pytest.raises(UsageError, match="3 classes"):
        score(_predictions(np.zeros((1, 2)), [0]), ["a", "b", "c"])
    with pytest.raises(BakeoffError, match="first of record 101"):
        score(_predictions(np.array([[0.0, 1.0], [np.nan, 0.0]]), [0, 1]), ["a", "b"])


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_beyond_the_classes_is_refused_with_its_range(label: int) -> None:
    found = Predictions(np.eye(3), np.array([0, 1, label]), np.arange(3))
    with pytest.raises(ValueError, match="expected 0 to 2"):
        score(found, ("a", "b", "c"))
