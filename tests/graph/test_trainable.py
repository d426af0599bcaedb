"""What training may change: the weights and statistics that were named, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff import models
from bakeoff.errors import UsageError
from bakeoff.graph import Graph, passes, run, trainable
from bakeoff.ops._page import Mode


@pytest.fixture
def net() -> Graph:
    return models.build("mnist_cnn", (8, 8), 1, 3)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)


def test_freeze_by_pattern_and_backbone(net: Graph) -> None:
    def names(graph: Graph) -> set[str]:
        return {path for path, parameter in graph.parameters.items() if parameter.trainable}

    weights = names(net)
    assert names(trainable.freeze(net, ["conv*"])) == {path for path in weights if not path.startswith("conv")}
    backbone = trainable.freeze(net, ["backbone"])
    assert names(backbone) == {"linear.kernel", "linear.bias"}
    assert names(net) == weights
    assert names(trainable.freeze(passes.with_head(passes.cut(net, "pool2"), 2), ["backbone"])) == {
        "head.kernel",
        "head.bias",
    }
    with pytest.raises(UsageError, match="no weight matches 'conv3"):
        trainable.freeze(net, ["conv3.kernel"])


def test_frozen_statistics_hold_in_training(net: Graph, images: np.ndarray) -> None:
    train = Mode(train=True)
    assert np.abs(run(net, images, train) - run(net, images)).max() > 1e-2
    np.testing.assert_array_equal(run(trainable.freeze_statistics(net), images, train), run(net, images))
    one = trainable.freeze_statistics(net, ["bn1"])
    assert [node.attributes.statistics for node in one.nodes if node.op == "batch_norm"] == ["frozen", "batch"]
