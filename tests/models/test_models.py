"""The articles' nets: exact parameter counts, logits, and the start weights that they mean."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff import models
from bakeoff.errors import UnsupportedError, UsageError
from bakeoff.graph import run
from bakeoff.ops._dimension import Dim

COUNTS = {
    "mnist_cnn": ((28, 28), 1, 2_174),
    "mnist_cnn_small": ((28, 28), 1, 1_198),
    "mnist_mlp": ((28, 28), 1, 101_770),
    "mnist_99": ((28, 28), 1, 33_338),
    "dense_64": ((28, 28), 1, 50_890),
    "cifar10_cnn": ((32, 32), 3, 122_570),
    "cnn_224": ((224, 224), 3, 50_469_130),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_count_is_the_articles(name: str) -> None:
    size, channels, count = COUNTS[name]
    graph = models.build(name, size, channels, 10)
    assert graph.count() == count
    assert f"{count:,}" in models.model(name).SUMMARY
    assert graph.input_shape == (Dim("batch"), *size, channels)
    assert graph.output_shape == (Dim("batch"), 10)


@pytest.mark.parametrize("name", [name for name in COUNTS if name != "cnn_224"])
def test_truth_runs_and_the_seed_decides(name: str) -> None:
    size, channels, _ = COUNTS[name]
    images = np.random.default_rng(0).normal(size=(2, *size, channels)).astype(np.float32)
    one, same, other = (run(models.build(name, size, channels, 10, seed=seed), images) for seed in (0, 0, 1))
    assert one.shape == (2, 10)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_every_model_has_a_summary_and_defaults() -> None:
    for name in models.names():
        assert "\n" not in models.model(name).SUMMARY
        assert models.model(name).build.__doc__


def test_start_weights_are_those_of_the_source() -> None:
    torch_like = models.build("mnist_cnn", (28, 28), 1, 10).parameters["linear.kernel"].array
    keras_like = models.build("mnist_cnn_small", (28, 28), 1, 10).parameters["dense.kernel"].array
    assert 0.9 / np.sqrt(196) < np.abs(torch_like).max() <= 1 / np.sqrt(196)
    assert 0.9 < np.abs(keras_like).max() / np.sqrt(6 / 110) <= 1


def test_unknown_names_and_arguments_say_what_is_known() -> None:
    with pytest.raises(UsageError, match="did you mean 'mnist_cnn'"):
        models.build("mnist_cn", (28, 28), 1, 10)
    with pytest.raises(UsageError, match="no argument 'droput'; did you mean 'dropout'"):
        models.build("mnist_mlp", (28, 28), 1, 10, droput=0.1)
    with pytest.raises(UsageError, match="needs a number of classes"):
        models.build("mnist_cnn", (28, 28), 1, None)
    with pytest.raises(UsageError, match="at least 1"):
        models.build("mnist_cnn", (28, 28), 0, 10)


def test_too_small_images_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"\[at "):
        models.build("cifar10_cnn", (8, 8), 3, 10)
