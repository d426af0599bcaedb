"""Sums over many equal elements: where a library adds one element after the other, its rounding errors all point one
way.

PyTorch does so where channels lie last in memory (2.8e-5 here); small images are trained with channels first there.
"""

from __future__ import annotations

import numpy as np
import pytest
from harness import native, one_node, relative, slots_of

from bakeoff.ops import page
from bakeoff.ops._page import Case, Mode

CASE = Case(((64, 28, 28, 4),), page("batch_norm").Attributes(momentum=1.0), train=True)


@pytest.mark.tensorflow
@pytest.mark.jax
def test_batch_norm_of_images_with_a_flat_background(framework: str) -> None:
    """Like digits on black: 99 of 100 elements are equal. TensorFlow's kernel, adding one by one, is 2.8e-5 off."""
    rng = np.random.default_rng(0)
    x = np.full(CASE.inputs[0], -0.4242, "float32")
    ink = rng.random(x.shape) > 0.99
    x[ink] = rng.random(int(ink.sum()))
    graph = one_node("batch_norm", CASE, "float32")
    cotangent = np.full(x.shape, 0.1, "float32") + 1e-3 * rng.normal(size=x.shape).astype("float32")

    done = native(framework, graph, "float32").run([x], True, cotangent)

    slots = {slot: array.astype("float64") for slot, array in slots_of(graph).items()}
    state = page("batch_norm").update(Mode(train=True), CASE.attributes, x.astype("float64"), **slots)
    assert relative(done.after["node.mean"], state["mean"]) < 5e-6
    assert relative(done.after["node.variance"], state["variance"]) < 5e-6
    assert relative(done.parameters["node.offset"], cotangent.astype("float64").sum((0, 1, 2))) < 5e-6
