"""Batch norm over the images of several processes: torch's SyncBatchNorm is for GPUs alone, this goes anywhere.

Each process says its count, mean and sum of squared deviations; they are put together by Chan et al., 1979, since sums
of squares would cancel where the mean is large. Backwards the two means over the batch are added up alike:

    dx = scale / sqrt(v + epsilon) (dy - mean(dy) - x' mean(dy x')),   x' = (x - m) / sqrt(v + epsilon)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed, nn

from bakeoff.errors import PeerError


def synchronise(module: nn.Module) -> None:
    """Let all batch norms of a net normalise by the batch of all processes in training; in place."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d) and getattr(child, "statistics", "batch") == "batch":
            child.__class__ = SynchronisedBatchNorm


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """Of any rank from 2; in predict mode as torch's."""

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Any."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        y, mean, variance, count = _Normalized.apply(x.float() if x.dtype.itemsize == 2 else x, self.eps)
        with torch.no_grad():
            unbiased = getattr(self, "variance", "unbiased") == "unbiased"
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)) if unbiased else variance, self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        y = y if self.weight is None else y * _along(self.weight, y)
        return (y if self.bias is None else y + _along(self.bias, y)).to(x.dtype)


class _Normalized(torch.autograd.Function):
    """x' with the mean, the biased variance and the elements a channel of all processes."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, epsilon: float) -> Any:
        axes = [0, *range(2, x.dim())]
        own = x.mean(axes)
        squares = (x - _along(own, x)).square().sum(axes)
        rows = x.new_zeros(distributed.get_world_size(), 2 * len(own) + 1)
        rows[distributed.get_rank()] = torch.cat([own, squares, x.new_tensor([x.numel() / len(own)])])
        means, moments, counts = _added(rows).split([len(own), len(own), 1], 1)
        count = counts.sum()
        mean = (means * counts).sum(0) / count
        variance = (moments.sum(0) + ((means - mean).square() * counts).sum(0)) / count
        scale = torch.rsqrt(variance + epsilon)
        y = (x - _along(mean, x)) * _along(scale, x)
        ctx.save_for_backward(y, scale, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return y, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        dy, (y, scale, count) = given[0], ctx.saved_tensors
        axes = [0, *range(2, dy.dim())]
        first, second = _added(torch.stack([dy.sum(axes), (dy * y).sum(axes)])) / count
        return (dy - _along(first, dy) - y * _along(second, dy)) * _along(scale, dy), None


def _along(channels: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return channels.view(-1, *[1] * (x.dim() - 2))


def _added(tensor: torch.Tensor) -> torch.Tensor:
    try:
        distributed.all_reduce(tensor)
    except RuntimeError as error:
        raise PeerError(f"another worker is gone: {str(error).splitlines()[0]}") from None
    return tensor
