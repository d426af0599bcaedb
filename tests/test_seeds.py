"""The order of an epoch as a function: one to one, other for each seed and epoch, and no position has a favourite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from bakeoff import seeds
from bakeoff.data import read_data
from bakeoff.seeds import Order, permutation, shard


@pytest.mark.parametrize("count", [*range(1, 66), 97, 1000, 1023, 1024, 1025, 65_537, 99_991])
def test_an_order_is_one_to_one(count: int) -> None:
    order = Order(1, 2, count)
    assert order[:].dtype == np.int64
    assert np.array_equal(np.sort(order[:]), np.arange(count))
    assert order.a * order.b - count <= order.a  # few are walked


def test_it_hangs_on_seed_and_epoch_and_is_the_same_again() -> None:
    orders = [Order(seed, epoch, 5000)[:] for seed in (0, 1) for epoch in (0, 1)]
    for a in range(4):
        for b in range(a):  # of two unrelated permutations one position in 5,000 agrees: 1 on average, by Poisson
            assert (orders[a] == orders[b]).sum() < 10
    assert np.array_equal(Order(0, 1, 5000)[:], orders[1])


@pytest.mark.parametrize("count", [61, 1024, 40_000])
def test_positions_have_no_favourites(count: int) -> None:
    """The records at four positions, and how far apart neighbours are, over many epochs: uniform by chi-square."""
    epochs, bins = 3000, 60
    found = np.stack([Order(3, epoch, count)[np.array([0, 1, count // 2, count - 1])] for epoch in range(epochs)])
    pairs = (found[:, 1] - found[:, 0]) % count  # neighbours
    for column, values in [*((column, count) for column in found.T), (pairs - 1, count - 1)]:
        seen = np.bincount(column * bins // values, minlength=bins)
        expected = epochs * np.diff(-(-np.arange(bins + 1) * values // bins)) / values
        statistic = ((seen - expected) ** 2 / expected).sum()
        assert chi2.sf(statistic, bins - 1) > 1e-5, statistic


def test_workers_take_their_positions_alone() -> None:
    count = seeds.LARGE + 13
    order = permutation(0, 0, count)
    assert isinstance(order, Order)
    assert isinstance(permutation(0, 0, 1000), np.ndarray)  # as it was: orders of earlier runs stay
    assert len(order) == count
    parts = [shard(order, rank, 64) for rank in range(64)]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))
    assert np.array_equal(order[3 + 64 * np.arange(100)], parts[3][:100])
    with pytest.raises(IndexError):
        order[np.array([count])]


def test_small_orders_are_those_of_earlier_versions() -> None:
    assert permutation(7, 3, 8)[:].tolist() == seeds.rng(7, "order", epoch=3).permutation(8).tolist()


def test_a_loader_with_a_computed_order(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = read_data(digits).train
    monkeypatch.setattr("bakeoff.data.loader.COMPUTED", 100)
    drawn = np.concatenate([batch.records for batch in split.batches(batch_size=32)])
    monkeypatch.setattr(seeds, "LARGE", 1000)
    whole = [batch.records for batch in split.batches(batch_size=32)]
    assert np.array_equal(np.concatenate(whole), split.indices[Order(0, 0, len(split))[:]])
    assert np.array_equal(np.sort(np.concatenate(whole)), np.sort(drawn))
    rest = [batch.records for batch in split.batches(batch_size=32, start=7, drop_last=True)]
    assert all(np.array_equal(a, b) for a, b in zip(rest, whole[7 : len(split) // 32], strict=True))
