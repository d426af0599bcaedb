"""Convolutions and batch norms of a few channels that lie first in memory: as torch's, and faster on a CPU.

oneDNN's kernels are made for sixteen channels and more. Measured on one thread for 64 images, microseconds before and
after: conv 1 -> 4 of 28 x 28, forwards 630 and 290, backwards 466 and 110 (the image as columns, one small product
each); conv 4 -> 4 of 14 x 14, backwards 777 and 530 (the input's gradient is the convolution of the mirrored kernel);
batch norm of 4 x 28 x 28, forwards 379 and 303 (whole passes over memory instead of one channel after the other).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

WEIGHTS = 64  # of one filter: beyond, products of columns are no longer small
CELLS = 2**22  # of all columns of a batch: beyond, they leave the processor's cache


def quicken(module: nn.Module) -> None:
    """Let a narrow net's plain convolutions and batch norms go the faster way in training; in place."""
    for child in module.modules():
        if type(child) is nn.Conv2d and _plain(child):
            child.__class__ = NarrowConv2d
        elif type(child) is nn.BatchNorm2d and child.affine and child.track_running_stats and child.momentum:
            child.__class__ = NarrowBatchNorm2d


def _plain(layer: nn.Conv2d) -> bool:
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros" or layer.groups != 1:
        return False
    steps = (*layer.stride, *layer.dilation)
    small = all(pad < size for pad, size in zip(layer.padding, layer.kernel_size, strict=True))
    return set(steps) == {1} and small and layer.weight[0].numel() <= WEIGHTS


def _usual(x: torch.Tensor) -> bool:
    exact = x.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled("cpu")
    return exact and x.dim() == 4 and x.device.type == "cpu" and x.is_contiguous() and torch.is_grad_enabled()


class NarrowConv2d(nn.Conv2d):
    """nn.Conv2d, stride 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not _usual(x) or not self.weight.requires_grad:
            return super().forward(x)
        if x.requires_grad:
            found: torch.Tensor = _Mirrored.apply(x, self.weight, self.bias, self.padding)
            return found
        rows, columns = (x.shape[-2 + k] + 2 * self.padding[k] - self.kernel_size[k] + 1 for k in (0, 1))
        if x.shape[0] * rows * columns * self.weight[0].numel() > CELLS:
            return super().forward(x)
        found = _Columns.apply(x, self.weight, self.bias, self.padding, (rows, columns))
        return found


class _Columns(torch.autograd.Function):
    """y = W c + b, with the places of an image as the columns of c; for an input that needs no gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: Any, padding: Any, size: Any) -> torch.Tensor:
        count, channels = x.shape[:2]
        filters, _, height, width = weight.shape
        x = F.pad(x, (padding[1], padding[1], padding[0], padding[0])).contiguous()
        plane, row = x.shape[2] * x.shape[3], x.shape[3]
        windows = x.as_strided((count, channels, height, width, *size), (channels * plane, plane, row, 1, row, 1))
        columns = windows.reshape(count, channels * height * width, size[0] * size[1])
        kernels = weight.reshape(filters, -1).expand(count, -1, -1)
        y = x.new_empty((count, filters, *size))  # whole, so that a relu may write over it
        flat = y.view(count, filters, -1)
        if bias is None:
            torch.bmm(kernels, columns, out=flat)
        else:
            torch.baddbmm(bias.view(1, -1, 1).expand(flat.shape), kernels, columns, out=flat)
        ctx.save_for_backward(columns)
        ctx.shape, ctx.bias = weight.shape, bias is not None
        return y

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> Any:  # type: ignore[override]
        (columns,) = ctx.saved_tensors
        dy = dy.reshape(dy.shape[0], dy.shape[1], -1)
        dw = torch.bmm(dy, columns.transpose(1, 2)).sum(0).view(ctx.shape)
        return None, dw, dy.sum((0, 2)) if ctx.bias else None, None, None


class _Mirrored(torch.autograd.Function):
    """torch's convolution; its input's gradient by the kernel mirrored, from outputs to inputs."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: Any, padding: Any) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.filters = tuple(padding), None if bias is None else [weight.shape[0]]
        return F.conv2d(x, weight, bias, 1, padding)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> Any:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        dy = dy.contiguous()
        rest = tuple(size - 1 - pad for size, pad in zip(weight.shape[2:], ctx.padding, strict=True))
        dx = F.conv2d(dy, weight.flip(2, 3).transpose(0, 1).contiguous(), None, 1, rest)
        _, dw, db = torch.ops.aten.convolution_backward(
            dy, x, weight, ctx.filters, (1, 1), ctx.padding, (1, 1), False, (0, 0), 1, [False, True, bool(ctx.filters)]
        )
        return dx, dw, db, None


class NarrowBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d that learns, with running statistics."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count = x.numel() // max(x.shape[1], 1)
        if not self.training or not _usual(x) or count < 2:
            return super().forward(x)
        y, mean, variance = _Normalized.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.running_mean.mul_(1 - self.momentum).add_(mean, alpha=self.momentum)  # type: ignore[operator, union-attr]
            self.running_var.mul_(1 - self.momentum).add_(variance, alpha=self.momentum * count / (count - 1))  # type: ignore[operator, union-attr]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        return y  # type: ignore[no-any-return]


class _Normalized(torch.autograd.Function):
    """Ioffe and Szegedy, 2015, algorithm 1; the variance is the biased one."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, epsilon: float) -> Any:
        shape, count = (1, -1, 1, 1), x.numel() // x.shape[1]
        mean = x.sum((0, 2, 3)) / count
        y = x - mean.view(shape)
        variance = (y * y).sum((0, 2, 3)) / count
        factor = torch.rsqrt(variance + epsilon)
        y.mul_((factor * weight).view(shape)).add_(bias.view(shape))
        ctx.save_for_backward(x, weight, mean, factor)
        ctx.epsilon = epsilon
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor, *_: Any) -> Any:  # type: ignore[override]
        x, weight, mean, factor = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:3])
        found = torch.ops.aten.native_batch_norm_backward(
            dy.contiguous(), x, weight, None, None, mean, factor, True, ctx.epsilon, wanted
        )
        return (*found, None)
