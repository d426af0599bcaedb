"""16 bits mixed in: what stays float32 does, and sums of many elements don't stand still."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bakeoff import frameworks, precision
from bakeoff.errors import UsageError
from bakeoff.graph import Composer, Graph
from bakeoff.ops._dimension import Dim
from bakeoff.precision import ROUNDOFF
from bakeoff.schemas import Array

BATCH, SIDE = 16, 24
RNG = np.random.default_rng(0)
IMAGES = 1 + RNG.normal(size=(BATCH, SIDE, SIDE, 3)).astype("float32")
LABELS = RNG.integers(0, 5, BATCH)


def net(*, end: str = "dense") -> Graph:
    """Batch norm, then a convolution with a bias that no batch norm takes away."""
    c = Composer((Dim("batch"), SIDE, SIDE, 3), seed=1)
    x = c.add("conv2d", "conv1", c.input, filters=16, kernel=(3, 3), pad=(1, 1, 1, 1), bias=False)
    x = c.add("relu", "relu1", c.add("batch_norm", "bn", x))
    x = c.add("relu", "relu2", c.add("conv2d", "conv2", x, filters=16, kernel=(3, 3)))
    x = c.add("dense", "head", c.add("global_avg_pool", "gap", x), units=5)
    return c.finish(c.add("softmax", "end", x) if end == "softmax" else x)


def built(framework: str, kind: str, graph: Graph | None = None) -> Any:
    found = frameworks.load(framework).native(graph or net(), device="cpu", precision=kind, threads=1)
    found.compile("adam", {}, "softmax_cross_entropy")
    return found


def gradients(framework: str, kind: str) -> dict[str, Array]:
    found = built(framework, kind)
    found.gradients(IMAGES, LABELS)
    result: dict[str, Array] = found.gradient_arrays()
    return result


def test_weights_slots_losses_and_logits_stay_float32(framework: str) -> None:
    half = built(framework, "bfloat16")
    losses = half.steps([IMAGES] * 3, [LABELS] * 3, [1e-3] * 3)
    assert half.logits(IMAGES).dtype == np.float32
    arrays = [*half.arrays().values(), *(a for slots in half.slots().values() for a in slots.values())]
    assert {array.dtype.name for array in arrays} == {"float32"}
    whole = built(framework, "float32").steps([IMAGES] * 3, [LABELS] * 3, [1e-3] * 3)
    assert 0 < np.abs(losses / whole - 1).max() < 8 * ROUNDOFF["bfloat16"]


def test_gradients_are_those_of_float32_but_for_rounding(framework: str) -> None:
    """The sums behind biases go over 8,000 elements: taken in 16 bits themselves, they would be a quarter off."""
    half, whole = gradients(framework, "bfloat16"), gradients(framework, "float32")
    for path, expected in whole.items():
        assert np.abs(half[path] - expected).max() < 0.06 * np.abs(expected).max(), path


def test_statistics_are_taken_in_float32(framework: str) -> None:
    """Of 9,216 elements of 16 bits, in float32: their rounding averages out, and is no grid of 16 bits."""
    half, whole = built(framework, "bfloat16"), built(framework, "float32")
    for each in (half, whole):
        each.gradients(IMAGES, LABELS)
    for path in ("bn.mean", "bn.variance"):
        found, expected = half.arrays()[path], whole.arrays()[path]
        assert np.abs(found - expected).max() < ROUNDOFF["bfloat16"] * np.abs(expected).max()
        assert (found.view(np.uint32) & 0xFFFF).any()  # the lower half of float32, which bfloat16 lacks


def test_a_softmax_inside_the_net_is_float32(framework: str) -> None:
    found = built(framework, "bfloat16", net(end="softmax")).logits(IMAGES)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def test_a_finer_scale_and_offset_than_sixteen_bits_are_used(framework: str) -> None:
    """Batch norm's own numbers aren't rounded on their way: 1 + 2^-10 is 1 in bfloat16."""
    graph = net()
    arrays = graph.arrays()
    arrays["bn.offset"] = np.full_like(arrays["bn.offset"], 2.0**10 + 1)
    found = built(framework, "bfloat16", graph.with_arrays(arrays)).logits(IMAGES)
    expected = built(framework, "float32", graph.with_arrays(arrays)).logits(IMAGES)
    arrays["bn.offset"] = np.full_like(arrays["bn.offset"], 2.0**10)
    rounded = built(framework, "float32", graph.with_arrays(arrays)).logits(IMAGES)
    assert np.abs(rounded - expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.02 * np.abs(expected).max())


@pytest.mark.torch
@pytest.mark.parametrize(("kernel", "stride", "bias"), [(3, 2, True), (5, 1, False)])
def test_depthwise_gradients_are_those_of_autocast(framework: str, kernel: int, stride: int, bias: bool) -> None:
    import torch

    from bakeoff.frameworks.torch.depthwise import WideDepthwiseConv2d, widen_slow

    def passed(wide: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(8, 8, kernel, stride, kernel // 2, groups=8, bias=bias)
        if wide:
            widen_slow(layer)
            assert type(layer) is WideDepthwiseConv2d
        x = torch.from_numpy(IMAGES[:, :8, :, :1].copy()).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = layer(x)
        (y.float() ** 2).sum().backward()
        return [y, x.grad, *(parameter.grad for parameter in layer.parameters())]  # type: ignore[list-item]

    for found, expected in zip(passed(True), passed(False), strict=True):
        assert found.dtype == expected.dtype
        assert (found - expected).abs().max() < 0.02 * expected.abs().max()


def test_float16_is_refused_on_a_cpu(framework: str) -> None:
    with pytest.raises(UsageError, match="bfloat16"):
        frameworks.load(framework).native(net(), device="cpu", precision="float16")


def test_float16_leaves_a_step_out_where_a_gradient_overflows(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "check_device", lambda *_: None)
    found = built(framework, "float16")
    found.load_loss_scale({"scale": np.float32(2.0**120)})
    before = found.arrays()
    losses = found.steps([IMAGES], [LABELS], [1e-2])
    assert np.isfinite(losses).all()
    after = found.arrays()
    assert all(np.array_equal(before[path], after[path]) for path in before if not path.startswith("bn."))
    assert not any(array.any() for slots in found.slots().values() for array in slots.values())
    state = found.loss_scale()
    assert (state["scale"], state["skipped"], state["good"]) == (2.0**119, 1, 0)
    found.load_loss_scale({"scale": np.float32(2.0**8)})
    found.steps([IMAGES], [LABELS], [1e-2])
    assert not np.array_equal(found.arrays()["head.kernel"], before["head.kernel"])
    assert found.loss_scale()["good"] == 1


def test_float16_gradients_come_without_the_scale(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one image: some processors sum float16 in float16, and over 16 images are a sixth off by that alone."""
    monkeypatch.setattr(precision, "check_device", lambda *_: None)
    found, whole = built(framework, "float16"), built(framework, "float32")
    found.load_loss_scale({"scale": np.float32(2.0**6)})
    for one in (found, whole):
        one.gradients(IMAGES[:1], LABELS[:1])
    expected = whole.gradient_arrays()
    for path, array in found.gradient_arrays().items():
        assert np.abs(array - expected[path]).max() < 0.03 * np.abs(expected[path]).max(), path
