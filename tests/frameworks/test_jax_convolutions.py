"""Convolutions that are computed in another way are Keras's own, gradients too; only where a step is traced."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.jax
CASES = [
    (size, kernel, stride, dilation, padding, multiplier)
    for size, kernel, stride, dilation, padding, multiplier in product(
        ((9, 12), (7, 8)), ((3, 3), (5, 2), (1, 1)), (1, 2, 3), (1, 2), ("same", "valid"), (1, 2)
    )
    if min(stride, dilation) == 1
    and (padding == "same" or all(dilation * (span - 1) < side for span, side in zip(kernel, size, strict=True)))
]


@pytest.mark.parametrize(("size", "kernel", "stride", "dilation", "padding", "multiplier"), CASES)
def test_depthwise(
    size: tuple[int, int], kernel: tuple[int, int], stride: int, dilation: int, padding: str, multiplier: int
) -> None:
    same_as_keras("depthwise_conv", size, (*kernel, 3, multiplier), stride, padding, dilation)


@pytest.mark.parametrize("kernel", [(1, 1, 3, 4), (1, 1, 1, 6), (1, 2, 3, 4), (3, 3, 3, 2)])
@pytest.mark.parametrize("stride", [1, 2, (2, 3)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_pointwise(kernel: tuple[int, ...], stride: Any, padding: str) -> None:
    same_as_keras("conv", (9, 12), kernel, stride, padding, 1)


def same_as_keras(
    name: str, size: tuple[int, int], kernel: tuple[int, ...], stride: Any, padding: str, dilation: int
) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    import keras

    from bakeoff.frameworks.jax.convolutions import quick

    rng = np.random.default_rng(0)
    images, weights = rng.normal(size=(2, *size, 3)), rng.normal(size=kernel)

    def found(images: Any, weights: Any) -> Any:
        out = getattr(keras.ops, name)(images, weights, stride, padding, "channels_last", dilation)
        return (keras.ops.sin(out)).sum(), out

    both = jax.value_and_grad(found, argnums=(0, 1), has_aux=True)
    with jax.enable_x64(True):
        expected = both(jax.numpy.asarray(images), jax.numpy.asarray(weights))
        with quick():
            answer = both(jax.numpy.asarray(images), jax.numpy.asarray(weights))
    assert answer[0][1].dtype == "float64"
    for one, other in zip(jax.tree.leaves(answer), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_numbers_of_16_bits_are_left_to_xla(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    import keras

    from bakeoff.frameworks.jax import convolutions

    monkeypatch.setattr(convolutions, "convolve", lambda *_: pytest.fail("it is summed in 16 bits"))
    ones = jax.numpy.ones((1, 40, 40, 1), dtype), jax.numpy.ones((40, 40, 1, 1), dtype)
    with convolutions.quick():
        found = keras.ops.depthwise_conv(*ones, padding="valid", data_format="channels_last")
    assert float(found.squeeze()) == 1600


def test_elsewhere_keras_is_left_alone() -> None:
    pytest.importorskip("jax", reason="JAX is not installed")
    from keras.src.backend.jax import nn

    from bakeoff.frameworks.jax.convolutions import quick

    stock = nn.conv, nn.depthwise_conv
    with suppress(ValueError), quick():
        assert stock[0] is not nn.conv
        assert stock[1] is not nn.depthwise_conv
        raise ValueError("within")
    assert (nn.conv, nn.depthwise_conv) == stock


def test_a_step_is_computed_that_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A net is traced with them: else they are as quick as never."""
    pytest.importorskip("jax", reason="JAX is not installed")
    from bakeoff import frameworks
    from bakeoff.frameworks.jax import convolutions
    from bakeoff.models import efficientnet_lite0

    seen: list[tuple[int, ...]] = []
    real = convolutions.convolve
    monkeypatch.setattr(convolutions, "convolve", lambda x, w, spans: seen.append(w.shape) or real(x, w, spans))
    net = frameworks.load("jax").native(efficientnet_lite0.build(classes=3))
    net.logits(np.zeros((1, 224, 224, 3), "float32"))
    assert len(seen) == 16
