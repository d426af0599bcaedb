"""Metrics against closed forms, published examples and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.evaluation.kinds import losses
from bakeoff.evaluation.scores import right
from bakeoff.evaluation.statistics.confusion import confusion
from bakeoff.evaluation.statistics.paired import mcnemar, newcombe, paired
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.schemas import Predictions


def test_accuracy_counts() -> None:
    logits = np.eye(3)[[0, 1, 2, 2]]
    assert right(Predictions(logits, np.array([0, 1, 1, 2]), np.arange(4))).tolist() == [True, True, False, True]


def test_wilson_has_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I: 81/263, 15/148, 0/20, 1/29 by method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@given(num=st.integers(1, 5000), share=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
def test_wilson_holds_the_share_is_symmetric_and_grows_with_confidence(
    num: int, share: float, confidence: float
) -> None:
    correct = round(num * share)
    low, high = wilson(correct, num, confidence)
    assert 0 <= low <= correct / num <= high <= 1
    assert low < high
    assert wilson(num - correct, num, confidence) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    wider = wilson(correct, num, (1 + confidence) / 2)
    assert wider[0] <= low
    assert wider[1] >= high


@pytest.mark.parametrize(("correct", "num", "confidence"), [(1, 0, 0.95), (3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)])
def test_wilson_refuses_what_is_no_proportion(correct: int, num: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        wilson(correct, num, confidence)


def test_confusion_has_true_classes_in_rows() -> None:
    table = confusion(np.array([1, 1, 0]), np.array([0, 1, 0]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="0 to 2"):
        confusion(np.array([3]), np.array([0]), 3)


def test_log_loss_has_closed_forms_and_takes_any_logit() -> None:
    assert losses(np.zeros((4, 10)), np.array([0, 3, 9, 5])).mean() == pytest.approx(math.log(10), rel=1e-15)
    assert losses(np.array([[1e4, -1e4]]), np.array([1])).mean() == 2e4
    assert losses(np.array([[1e4], [-1e4]]), np.array([0, 0])).mean() == 5e3
    assert losses(np.array([[0.0]]), np.array([1])).mean() == pytest.approx(math.log(2), rel=1e-15)
    with pytest.raises(ValueError, match="expected"):
        losses(np.zeros((0, 3)), np.zeros(0, int)).mean()


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.floats(-1e3, 1e3), st.integers(0, 2))
def test_log_loss_doesnt_see_a_shift_and_one_logit_is_two(row: list[float], shift: float, label: int) -> None:
    logits, labels = np.array([row]), np.array([label])
    assert losses(logits + shift, labels) == pytest.approx(losses(logits, labels), abs=1e-9)
    two = np.array([[0.0, row[0]]])
    binary = np.array([label % 2])
    assert losses(np.array([[row[0]]]), binary) == pytest.approx(losses(two, binary), abs=1e-12)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 5) == 2 / 32
    assert mcnemar(2, 12) == mcnemar(12, 2) == 2 * (1 + 14 + 91) / 2**14
    assert mcnemar(2000, 2000) == 1.0
    assert 0 < mcnemar(900, 1100) < 1e-5


def test_newcombe_has_the_published_interval() -> None:
    # Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10 for 36, 12, 2, 0.
    assert newcombe(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(st.lists(st.integers(0, 60), min_size=4, max_size=4).filter(any))
def test_newcombe_holds_the_difference_and_turns_round(cells: list[int]) -> None:
    both, only_a, only_b, neither = cells
    low, high = newcombe(both, only_a, only_b, neither)
    assert -1 <= low <= (only_a - only_b) / sum(cells) + 1e-12
    assert (only_a - only_b) / sum(cells) - 1e-12 <= high <= 1
    assert newcombe(both, only_b, only_a, neither) == pytest.approx((-high, -low), abs=1e-12)


def test_newcombe_covers_as_often_as_it_says() -> None:
    """Drawn 1,000 times: the true difference lies in 95 % of the intervals, give or take what chance allows."""
    draws = np.random.default_rng(0).multinomial(372, [0.80, 0.08, 0.03, 0.09], size=1000)
    hits = sum(low <= 0.05 <= high for low, high in (newcombe(*map(int, cells)) for cells in draws))
    assert 0.93 <= hits / 1000 <= 0.975


def test_paired_says_who_is_better_only_when_it_is_sure() -> None:
    a = np.array([True] * 90 + [False] * 10)
    same = paired(a, a)
    assert (same.difference, same.p_value, same.better()) == (0.0, 1.0, None)
    assert same.interval[0] < 0 < same.interval[1]
    b = np.array([True] * 70 + [False] * 30)
    clear = paired(a, b)
    assert (clear.only_a, clear.only_b, clear.better(), paired(b, a).better()) == (20, 0, "a", "b")
    assert clear.difference == pytest.approx(0.2)
    assert clear.interval[0] > 0
    with pytest.raises(ValueError, match="the same"):
        paired(a, b[:5])
