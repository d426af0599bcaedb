"""The faster narrow convolution and batch norm are torch's own: values, gradients, running statistics."""

from __future__ import annotations

import copy
from typing import Any

import pytest

CONVOLUTIONS = {
    "first layer": ({"kernel_size": 3, "padding": 1}, False),
    "first layer, no pad, no bias": ({"kernel_size": (3, 2), "bias": False}, False),
    "inner layer": ({"kernel_size": 3, "padding": 1}, True),
    "inner layer, uneven": ({"kernel_size": (5, 3), "padding": (0, 2), "bias": False}, True),
}


def passed(layer: Any, x: Any, dy: Any) -> list[Any]:
    y = layer(x)
    y.backward(dy)
    return [y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters()), *layer.buffers()]


def compared(plain: Any, x: Any) -> type:
    """The class that took the layer's place."""
    import torch
    from torch import nn

    from bakeoff.frameworks.torch.narrow import quicken

    faster = nn.Sequential(copy.deepcopy(plain))
    quicken(faster)
    dy = torch.randn(plain(x).shape, dtype=x.dtype)
    inputs = [x.detach().clone().requires_grad_(x.requires_grad) for _ in range(2)]
    fresh = copy.deepcopy(faster[0])
    fresh.__class__ = type(plain)
    for expected, found in zip(passed(fresh, inputs[0], dy), passed(faster[0], inputs[1], dy), strict=True):
        if expected is None:
            assert found is None
            continue
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    return type(faster[0])


@pytest.mark.torch
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(framework: str, name: str) -> None:
    import torch

    from bakeoff.frameworks.torch.narrow import NarrowConv2d

    torch.manual_seed(0)
    settings, inner = CONVOLUTIONS[name]
    layer = torch.nn.Conv2d(2, 3, **settings).double()  # type: ignore[arg-type]
    assert compared(layer, torch.randn(4, 2, 7, 9, dtype=torch.float64, requires_grad=inner)) is NarrowConv2d


@pytest.mark.torch
def test_batch_norm(framework: str) -> None:
    import torch

    from bakeoff.frameworks.torch.narrow import NarrowBatchNorm2d

    torch.manual_seed(0)
    layer = torch.nn.BatchNorm2d(3, eps=1e-3, momentum=0.3).double()
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.normal_()
    x = 5 + torch.randn(4, 3, 6, 5, dtype=torch.float64, requires_grad=True)
    assert compared(layer, x.detach().requires_grad_()) is NarrowBatchNorm2d
    layer.eval()
    compared(layer, x.detach().requires_grad_())


@pytest.mark.torch
def test_what_it_does_not_know_stays(framework: str) -> None:
    import torch
    from torch import nn

    from bakeoff.frameworks.torch.narrow import quicken

    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, dilation=2))
    net.append(nn.Conv2d(4, 4, 3, padding="same")).append(nn.Conv2d(16, 4, 3)).append(nn.BatchNorm2d(4, affine=False))
    quicken(net)
    assert {type(layer) for layer in net} == {nn.Conv2d, nn.BatchNorm2d}
    large = nn.Sequential(nn.Conv2d(3, 2, 3))
    quicken(large)
    assert large(torch.zeros(1, 3, 500, 500)).shape == (1, 2, 498, 498)


@pytest.mark.torch
def test_a_net_that_is_only_built_has_torchs_own_layers(framework: str) -> None:
    import torch

    from bakeoff import models
    from bakeoff.frameworks.torch.narrow import NarrowConv2d
    from bakeoff.frameworks.torch.net import TorchNet

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        net = TorchNet(models.build("mnist-cnn", (28, 28), 1, 10, seed=0), "cpu", "float32")
        kinds = {type(layer).__module__.partition(".")[0] for layer in net.native.modules()}
        assert kinds == {"torch"}, "what convert hands to users is loaded without Bakeoff"
        net.compile("adam", {}, "softmax_cross_entropy")
        assert NarrowConv2d in {type(layer) for layer in net.native.modules()}
    finally:
        torch.set_num_threads(threads)
