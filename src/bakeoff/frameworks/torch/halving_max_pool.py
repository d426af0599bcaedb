"""Max pooling of 2 x 2 cells, stride 2, channels first: as nn.MaxPool2d, and faster on a CPU.

PyTorch's kernel for this memory format looks at one window after the other, and is a third of a small net's
training step; views and `maximum` take a third of its time. Ties go to a window's first cell, row by row, as there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class HalvingMaxPool2d(nn.MaxPool2d):
    """nn.MaxPool2d(2), by other means where pictures are of even size and channels lie first in memory."""

    def forward(self, x: torch.Tensor) -> Any:
        even = x.shape[-1] % 2 == 0 and x.shape[-2] % 2 == 0
        if x.dim() != 4 or not even or not x.is_contiguous() or x.device.type != "cpu":
            return super().forward(x)
        return _Halve.apply(x)


class _Halve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        images, channels, height, width = ctx.image = x.shape
        windows = x.view(-1, 2, width // 2, 2)
        left, right = windows[..., 0], windows[..., 1]
        rows = torch.maximum(left, right)
        top, bottom = rows[:, 0], rows[:, 1]
        ctx.save_for_backward(left >= right, top >= bottom)
        return torch.maximum(top, bottom).view(images, channels, height // 2, width // 2)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        in_left, in_top = ctx.saved_tensors
        rows = dy.new_empty(in_left.shape)
        dy = dy.reshape(in_top.shape)
        torch.mul(dy, in_top, out=rows[:, 0])
        torch.sub(dy, rows[:, 0], out=rows[:, 1])  # dy - dy or dy - 0: exact
        dx = dy.new_empty((*in_left.shape, 2))
        torch.mul(rows, in_left, out=dx[..., 0])
        torch.sub(rows, dx[..., 0], out=dx[..., 1])
        return dx.view(ctx.image)


def halve_faster(module: nn.Module) -> None:
    """Let every plain 2 x 2 max pooling of a net that trains with channels first go the faster way; in place."""
    for child in module.modules():
        halves = type(child) is nn.MaxPool2d and _pair(child.kernel_size) == _pair(child.stride) == (2, 2)
        if halves and _pair(child.padding) == (0, 0) and _pair(child.dilation) == (1, 1) and not child.return_indices:
            child.__class__ = HalvingMaxPool2d


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)
