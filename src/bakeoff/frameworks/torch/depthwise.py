"""Depthwise convolutions with bfloat16 mixed in, on a CPU: backwards in float32 where that is faster.

oneDNN has no fast kernel for the gradients of a depthwise bfloat16 convolution but of 3 x 3 at stride 1. Measured with
16 images, one thread, milliseconds of float32 and bfloat16: 96 channels of 112 x 112, 3 x 3 at stride 2, 52 and 187;
480 of 14 x 14, 5 x 5, 20 and 100; 144 of 56 x 56, 3 x 3 at stride 1, 41 and 31. Dense convolutions gain twice or more.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class WideDepthwiseConv2d(nn.Conv2d):
    """nn.Conv2d whose gradients are taken in float32 where its values are bfloat16."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled() or isinstance(self.padding, str):
            return super().forward(x)
        y = _Wide.apply(x.to(torch.bfloat16), self.weight, self.stride, self.padding, self.dilation, self.groups)
        return y if self.bias is None else y + self.bias.to(y.dtype).view(1, -1, 1, 1)


class _Wide(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, *settings: Any) -> torch.Tensor:
        ctx.settings = settings
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight.to(x.dtype), None, *settings)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> Any:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.settings
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        dx, dw, _ = torch.ops.aten.convolution_backward(
            dy.float(), x.float(), weight, None, stride, padding, dilation, False, (0, 0), groups, wanted
        )
        return None if dx is None else dx.to(x.dtype), dw, None, None, None, None


def widen_slow(module: nn.Module) -> None:
    """Let the depthwise convolutions of a net whose bfloat16 gradients are slow take them in float32; in place."""
    for child in module.modules():
        if type(child) is nn.Conv2d and child.groups == child.in_channels > 1 and not _fast(child):
            child.__class__ = WideDepthwiseConv2d


def _fast(layer: nn.Conv2d) -> bool:
    return tuple(layer.stride) == (1, 1) and tuple(layer.kernel_size) == (3, 3)
