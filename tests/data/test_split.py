"""The laws of the split, on manifests without files."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.data.manifest import Manifest
from bakeoff.data.split import DEFAULT, TEST, TRAIN, VALIDATION, by_content, draws, exact_share, ratios
from bakeoff.errors import DataError, UsageError


def manifest(images: list[tuple[int, int]]) -> Manifest:
    """Rows of (label, number of the content)."""
    digests = [np.frombuffer(hashlib.sha256(str(content).encode()).digest(), np.uint8) for _, content in images]
    labels = np.array([label for label, _ in images], np.int64)
    count = len(images)
    names = tuple(f"class {label}" for label in range(int(labels.max()) + 1))
    paths = np.array([str(row) for row in range(count)])
    return Manifest(names, paths, labels, np.full(count, -1, np.int8), np.stack(digests), np.ones(count, np.int64))


def assignment(images: list[tuple[int, int]], seed: int = 0) -> dict[tuple[int, int], int]:
    table = manifest(images)
    found = by_content(table, np.arange(len(table)), DEFAULT, seed)
    return dict(zip(images, found.tolist(), strict=True))


def images_of(counts: list[int], copies: int = 1) -> list[tuple[int, int]]:
    return [(label, 10_000 * label + n) for label, count in enumerate(counts) for n in range(count)] * copies


counts = st.lists(st.integers(3, 40), min_size=2, max_size=5)


@given(counts, st.integers(0, 99), st.randoms(use_true_random=False))
def test_independent_of_order(sizes: list[int], seed: int, random: object) -> None:
    images = images_of(sizes)
    shuffled = list(images)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert assignment(images, seed) == assignment(shuffled, seed)


@given(counts, st.integers(0, 99))
def test_each_class_is_on_each_side(sizes: list[int], seed: int) -> None:
    found = assignment(images_of(sizes), seed)
    for label in range(len(sizes)):
        assert {split for (own, _), split in found.items() if own == label} == {TRAIN, VALIDATION, TEST}


@given(counts, st.integers(0, 99), st.integers(2, 3))
def test_copies_stay_together(sizes: list[int], seed: int, copies: int) -> None:
    images = images_of(sizes, copies)
    table = manifest(images)
    found = by_content(table, np.arange(len(table)), DEFAULT, seed)
    by_group: dict[int, set[int]] = {}
    for (_, content), split in zip(images, found.tolist(), strict=True):
        by_group.setdefault(content, set()).add(split)
    assert all(len(split) == 1 for split in by_group.values())
    assert assignment(images_of(sizes), seed) == dict(zip(images, found.tolist(), strict=True))


@given(st.lists(st.integers(6, 30), min_size=2, max_size=4), st.integers(0, 99), st.data())
def test_one_image_under_two_labels_is_on_one_side(sizes: list[int], seed: int, data: st.DataObject) -> None:
    images = images_of(sizes)
    shared = data.draw(st.sampled_from([image for image in images if image[0] == 0]))
    images.append((1, shared[1]))
    found = assignment(images, seed)
    assert found[shared] == found[(1, shared[1])]
    for label in range(len(sizes)):
        assert {split for (own, _), split in found.items() if own == label} == {TRAIN, VALIDATION, TEST}


def test_adding_images_moves_none_of_a_class_that_needed_no_mending() -> None:
    small, large = images_of([200, 200]), images_of([400, 300])
    before, after = assignment(small), assignment(large)
    assert all(after[image] == split for image, split in before.items())


def test_ratios_are_approximate_and_seeds_differ() -> None:
    images = images_of([2000, 2000])
    shares = np.bincount(list(assignment(images).values()), minlength=3) / 4000
    assert np.abs(shares - DEFAULT).max() < 0.02
    assert assignment(images, 0) != assignment(images, 1)


def test_the_nearest_group_moves() -> None:
    """A class of three whose draws all fall into train: the smallest becomes test, the next validation."""
    for seed in range(200):
        images = images_of([3, 30])
        u = draws(manifest(images), seed)[:3]
        if (u > 0.2).all():
            order = np.argsort(u)
            found = [assignment(images, seed)[image] for image in images[:3]]
            assert [found[index] for index in order] == [TEST, VALIDATION, TRAIN]
            return
    pytest.fail("no seed shows the case")


def test_too_few_images_name_the_class() -> None:
    with pytest.raises(DataError, match="'class 1' has 2 different"):
        assignment(images_of([9, 2]))
    with pytest.raises(DataError, match="'class 1' has 1 different"):
        assignment([*images_of([9]), *[(1, 77)] * 5])


def test_draws_are_golden_and_uniform() -> None:
    table = manifest(images_of([3000, 1000]))
    u = draws(table, 0)
    assert u[0] == 0.6581718008250568
    assert abs(u.mean() - 0.5) < 0.02
    assert u.min() >= 0
    assert u.max() < 1


@given(st.lists(st.integers(20, 60), min_size=2, max_size=6), st.integers(0, 99))
def test_the_exact_share_is_exact(sizes: list[int], seed: int) -> None:
    table = manifest(images_of(sizes))
    rows = np.arange(len(table))
    chosen = exact_share(table, rows, 0.1, seed)
    assert chosen.sum() == round(len(table) * 0.1)
    u = draws(table, seed)
    for label, size in enumerate(sizes):
        own = table.labels == label
        assert abs(chosen[own].sum() - size * 0.1) < 1
        assert u[own & chosen].max() < u[own & ~chosen].min()


def test_ratios_that_cannot_be_used() -> None:
    assert ratios({"train": 0.9, "test": 0.1}) == (0.9, 0.0, 0.1)
    assert ratios([0.7, 0.2, 0.1]) == (0.7, 0.2, 0.1)
    for wrong in ((0.8, 0.1), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (0, 0.5, 0.5), {"train": 1, "dev": 0}, "80/10/10"):
        with pytest.raises(UsageError, match="add up to 1"):
            ratios(wrong)
