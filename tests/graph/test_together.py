"""Backbones side by side give what each gives alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bakeoff.errors import UsageError
from bakeoff.graph import Graph, run
from bakeoff.graph.together import Member, together
from bakeoff.models import build
from bakeoff.ops import page
from bakeoff.preprocessing.signature import Signature

SIGNATURE = Signature(size=(32, 32), channels=3, fit="crop", resize_to=36, mean=(0.5,) * 3, std=(0.5,) * 3)


def net(number: int, size: int) -> Graph:
    return build(f"efficientnet_lite{number}", (size, size), 3, None, seed=number, weights=None).astype("float64")


def test_each_members_features_are_its_own() -> None:
    other = replace(SIGNATURE, size=(48, 48), resize_to=52, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    small, large = net(0, 32), net(1, 48)
    joined, signature = together([Member("a", small, SIGNATURE), Member("timm/b", large, other)])
    assert signature == other  # the largest input

    pixels = np.random.default_rng(0).random((2, 48, 48, 3))
    found = run(joined.astype("float64"), (pixels - other.mean) / np.array(other.std))

    shrink = page("resize").Attributes(size=(32, 32), mode="bilinear", antialias=True)
    shrunk = page("resize").truth(None, shrink, pixels)
    expected = [run(small, (shrunk - 0.5) / 0.5), run(large, (pixels - other.mean) / np.array(other.std))]
    assert np.abs(found - np.concatenate(expected, 1)).max() < 1e-6 * np.abs(found).max()  # the adapter is float32
    assert {path.split(".")[0] for path in joined.parameters} == {"a", "timm_b"}


def test_one_size_and_one_normalisation_need_no_adapter() -> None:
    joined, _ = together([Member("a", net(0, 32), SIGNATURE), Member("b", net(1, 32), SIGNATURE)])
    assert not {"resize", "affine_channel"} & {node.op for node in joined.nodes}


def test_a_net_twice_is_refused() -> None:
    small = net(0, 32)
    with pytest.raises(UsageError, match="twice"):
        together([Member("a", small, SIGNATURE), Member("a", small, SIGNATURE)])


def test_hidden_layers_belong_to_the_head() -> None:
    from bakeoff.graph import passes, trainable

    graph = passes.with_hidden(net(0, 32), 7, name="head_1")
    graph = passes.with_hidden(graph, 5, name="head_2")
    graph = passes.with_head(graph, 3, name="head")
    frozen = trainable.freeze(graph, ["backbone"])
    trainable = {path for path, p in frozen.parameters.items() if p.role == "weight" and p.trainable}
    assert trainable == {f"{layer}.{slot}" for layer in ("head_1", "head_2", "head") for slot in ("kernel", "bias")}
