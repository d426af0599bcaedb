"""Accuracies on the same images: losses are found, what can't be seen is said, and equal is more than not different."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.comparison.statistics.accuracy import (
    ENOUGH,
    mean_interval,
    same,
    same_over_seeds,
    t_interval,
    visible,
)
from bakeoff.evaluation.statistics.paired import paired
from bakeoff.seeds import rng


def right(draw: np.random.Generator, count: int, only_a: float, only_b: float) -> tuple[np.ndarray, np.ndarray]:
    """Two classifiers on the same images, of which each alone gets a share right, and both 80 %."""
    kind = draw.choice(4, count, p=[only_a, only_b, 0.8, 0.2 - only_a - only_b])
    return (kind == 0) | (kind == 2), (kind == 1) | (kind == 2)


def test_two_points_in_two_thousand_images_are_found() -> None:
    draw = rng(0, "images")
    found = [paired(*right(draw, 2000, 0.04, 0.02)) for _ in range(20)]
    assert sum(one.better() == "a" for one in found) >= 18


def test_equals_are_rarely_called_different() -> None:
    draw = rng(1, "images")
    assert sum(paired(*right(draw, 2000, 0.03, 0.03)).better() is not None for _ in range(200)) <= 16


def test_what_could_be_seen_is_seen_in_four_of_five() -> None:
    draw = rng(2, "images")
    first = paired(*right(draw, 2000, 0.03, 0.03))
    half = visible(first) / 2
    apart = (first.only_a + first.only_b) / first.num
    found = [paired(*right(draw, 2000, apart / 2 + half, apart / 2 - half)) for _ in range(400)]
    assert 0.74 <= np.mean([one.better() == "a" for one in found]) <= 0.86


@pytest.mark.parametrize("num", [50, 372, 2000])
def test_nets_that_agree_are_equal_within_what_the_images_say(num: int) -> None:
    correct = np.arange(num) % 10 != 0
    found = same(correct, correct)
    assert found.equivalent is (True if found.supported < 0.02 else None)
    assert 0 < found.supported < 5 / num
    assert found.visible > 0


def test_three_answers() -> None:
    draw = rng(3, "images")
    assert same(*right(draw, 5000, 0.02, 0.02), margin=0.02).equivalent is True
    assert same(*right(draw, 5000, 0.08, 0.01), margin=0.02).equivalent is False
    assert same(*right(draw, 60, 0.06, 0.03), margin=0.02).equivalent is None


def test_a_difference_at_the_margin_is_rarely_called_equal() -> None:
    """The error of the two one-sided tests: 5 %."""
    draw = rng(4, "images")
    said = [same(*right(draw, 2000, 0.04, 0.02), margin=0.02).equivalent is True for _ in range(300)]
    assert sum(said) <= 25  # 15 are expected; P(more than 25) is below 0.01


def test_over_seeds() -> None:
    assert same_over_seeds([0.001, -0.001, 0.0, 0.001, -0.001], 0.02, 0.01).equivalent is True
    assert same_over_seeds([0.05, 0.051, 0.049, 0.05, 0.05], 0.02, 0.01).equivalent is False
    assert same_over_seeds([0.06, -0.05, 0.02, 0.0, 0.01], 0.02, 0.01).equivalent is None
    assert t_interval([0.5]) == (0.5, 0.5)
    low, high = t_interval([1.0, 2.0, 3.0])  # scipy's t(2) at 97.5 % is 4.303, the standard error 0.577
    assert (low, high) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)


def test_few_seeds_speak_of_these_nets_alone() -> None:
    few, many = [0.9] * (ENOUGH - 1), [0.9, 0.9001, 0.9, 0.9, 0.9]
    low, high = mean_interval(few, 100)
    assert high - low > 0.1  # over the images
    low, high = mean_interval(many, 100)
    assert high - low < 0.001  # over the seeds
