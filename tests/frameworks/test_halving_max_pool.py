"""The faster 2 x 2 max pooling is nn.MaxPool2d bit for bit, ties too."""

from __future__ import annotations

import pytest


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(3, 4, 6, 8), (2, 1, 5, 7), (1, 3, 2, 2)])
@pytest.mark.parametrize("values", ["normal", "ties"])
def test_the_same_values_and_gradients(framework: str, shape: tuple[int, ...], values: str) -> None:
    import torch
    from torch import nn

    from bakeoff.frameworks.torch.halving_max_pool import HalvingMaxPool2d, halve_faster

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator)
    x = (x if values == "normal" else torch.round(x)).requires_grad_()
    plain, faster = nn.MaxPool2d(2), nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(3), nn.MaxPool2d(2, stride=1))
    halve_faster(faster)
    assert [type(child) is HalvingMaxPool2d for child in faster] == [True, False, False]
    expected, found = plain(x), faster[0](x)
    assert torch.equal(expected, found)
    dy = torch.randn(expected.shape, generator=generator)
    assert torch.equal(torch.autograd.grad(expected, x, dy)[0], torch.autograd.grad(found, x, dy)[0])
