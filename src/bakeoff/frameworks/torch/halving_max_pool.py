"""Max pooling of 2 x 2 elements, stride 2, channels first: as nn.MaxPool2d, and faster on a CPU.

PyTorch's kernel for this memory format looks at one window after the other, and is a third of a small net's
training step; whole passes over memory take half of its time. Neighbours in a row are read and written as the two
parts of complex numbers: torch's kernels for every second number are slow. Ties go to a window's first element, row by
row, as there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class HalvingMaxPool2d(nn.MaxPool2d):
    """nn.MaxPool2d(2), by other means where images are of even size and channels lie first in memory."""

    def forward(self, x: torch.Tensor) -> Any:
        even = x.shape[-1] % 2 == 0 and x.shape[-2] % 2 == 0
        exact = x.dtype in (torch.float32, torch.float64) and x.storage_offset() % 2 == 0
        if x.dim() != 4 or not even or not exact or not x.is_contiguous() or x.device.type != "cpu":
            return super().forward(x)
        return _Halve.apply(x)


class _Halve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        images, channels, height, width = ctx.image = x.shape
        pairs = torch.view_as_complex(x.view(-1, 2))
        left, right = pairs.real.contiguous(), pairs.imag.contiguous()
        rows = torch.maximum(left, right).view(-1, 2, width // 2)
        top, bottom = rows[:, 0], rows[:, 1]
        in_left = torch.ge(left, right, out=torch.empty_like(left))  # 1 and 0
        ctx.save_for_backward(in_left, torch.ge(top, bottom, out=x.new_empty(top.shape)))
        return torch.maximum(top, bottom).view(images, channels, height // 2, width // 2)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        in_left, in_top = ctx.saved_tensors
        dy = dy.reshape(in_top.shape)
        rows = dy.new_empty((dy.shape[0], 2, dy.shape[1]))
        torch.mul(dy, in_top, out=rows[:, 0])
        torch.sub(dy, rows[:, 0], out=rows[:, 1])  # dy - dy or dy - 0: exact
        rows = rows.view(-1)
        left = rows * in_left
        return torch.view_as_real(torch.complex(left, rows - left)).view(ctx.image)


def halve_faster(module: nn.Module) -> None:
    """Let every plain 2 x 2 max pooling of a net that trains with channels first go the faster way; in place."""
    for child in module.modules():
        halves = type(child) is nn.MaxPool2d and _pair(child.kernel_size) == _pair(child.stride) == (2, 2)
        if halves and _pair(child.padding) == (0, 0) and _pair(child.dilation) == (1, 1) and not child.return_indices:
            child.__class__ = HalvingMaxPool2d


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)
