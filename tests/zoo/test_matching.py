"""Weights are matched with a net's names, whatever they were wrapped in; another net's are refused."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.errors import DataError
from bakeoff.zoo.matching import matched

SHAPES = {"conv.weight": (2, 3), "bn.weight": (2,), "bn.num_batches_tracked": ()}


def arrays(prefix: str = "", **more: tuple[int, ...]) -> dict[str, np.ndarray]:
    named = {**{f"{prefix}{name}": shape for name, shape in SHAPES.items()}, **more}
    return {name: np.full(shape, index) for index, (name, shape) in enumerate(named.items())}


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.", "model.", "state_dict.module.", "ema._orig_mod.net."])
def test_wrappers_are_taken_off(prefix: str) -> None:
    found = matched(arrays(prefix, **{"optimizer.state.0": (2,), "epoch": ()}), SHAPES, "it")
    assert {name: array.shape for name, array in found.items()} == SHAPES


def test_counters_may_be_missing() -> None:
    found = arrays()
    del found["bn.num_batches_tracked"]
    assert set(matched(found, SHAPES, "it")) == {"conv.weight", "bn.weight"}


def test_the_wrapper_with_most_names_wins() -> None:
    both = {**arrays("model."), "conv.weight": np.zeros((2, 3))}
    assert matched(both, SHAPES, "it")["conv.weight"] is both["model.conv.weight"]


def test_another_net_is_named() -> None:
    found = arrays()
    del found["conv.weight"]
    with pytest.raises(DataError, match=r"1 of 3 are missing, as 'conv.weight'"):
        matched({**found, "head": np.zeros(1)}, SHAPES, "it")
    with pytest.raises(DataError, match=r"conv.weight has shape \[5, 3\], the net expects \[2, 3\]"):
        matched({**arrays(), "conv.weight": np.zeros((5, 3))}, SHAPES, "it")
