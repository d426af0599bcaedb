"""Errors that `compare` adds to gradients arrive as they were given, and the step is made with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bakeoff import frameworks
from bakeoff.graph import Composer, Graph
from bakeoff.ops._dimension import Dim
from bakeoff.schemas import Array

RNG = np.random.default_rng(0)
BATCHES = [(RNG.normal(size=(4, 8, 8, 2)).astype("float32"), np.array([0, 1, 2, 1])) for _ in range(2)]


def net() -> Graph:
    c = Composer((Dim("batch"), 8, 8, 2))
    x = c.add("conv2d", "conv", c.input, filters=3, kernel=(3, 3), pad="same")
    x = c.add("flatten", "flat", c.add("relu", "relu", x))
    return c.finish(c.add("dense", "head", x, units=3))


def with_gradients(framework: str, precision: str) -> Any:
    found = frameworks.load(framework).native(net(), device="cpu", precision=precision, threads=1)
    found.compile("sgd", {}, "softmax_cross_entropy")
    for images, labels in BATCHES:
        found.gradients(images.astype(found.logits(images[:1]).dtype), labels)
    return found


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_errors_are_per_image_and_canonical(framework: str, precision: str) -> None:
    one = with_gradients(framework, precision)
    before: dict[str, Array] = one.gradient_arrays()
    errors = {path: RNG.normal(size=array.shape) for path, array in before.items() if path != "head.bias"}
    one.disturb(errors)
    for path, array in one.gradient_arrays().items():
        expected = before[path] + errors.get(path, 0.0)
        assert np.allclose(array, expected, rtol=1e-5, atol=1e-5), path


def test_the_step_is_made_with_them(framework: str) -> None:
    one, other = with_gradients(framework, "float32"), with_gradients(framework, "float32")
    errors = {path: RNG.normal(size=array.shape) for path, array in one.gradient_arrays().items()}
    one.disturb(errors)
    one.apply(0.5)
    other.apply(0.5)
    for path, array in one.arrays().items():
        assert np.allclose(array, other.arrays()[path] - 0.5 * errors[path], rtol=1e-5, atol=1e-5), path
