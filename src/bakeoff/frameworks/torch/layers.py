"""The modules that torch lacks: what other libraries do, said in torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with Keras's biased running variance, or with statistics that stay frozen in training.

    Takes rank 2 and rank 4. torch keeps the unbiased batch variance v n / (n - 1); Keras keeps v.
    """

    def __init__(
        self, channels: int, epsilon: float, momentum: float, affine: bool, *, variance: str = "unbiased", statistics: str = "batch"
    ) -> None:
        super().__init__(channels, epsilon, momentum, affine)
        self.variance, self.statistics = variance, statistics

    def _check_input_dim(self, input: torch.Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"expected 2 or 4 dimensions, got {input.dim()}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.statistics == "frozen":
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        if self.variance == "unbiased":
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        mean, variance = self.running_mean.clone(), self.running_var.clone()  # autograd keeps what it is given
        y = F.batch_norm(x, mean, variance, self.weight, self.bias, True, self.momentum, self.eps)
        n = x.numel() // x.shape[1]
        with torch.no_grad():
            batch = (variance - (1 - self.momentum) * self.running_var) * ((n - 1) / n)
            self.running_var.mul_(1 - self.momentum).add_(batch)
            self.running_mean.copy_(mean)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return y

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, variance={self.variance}, statistics={self.statistics}"


def own() -> Any:
    """This module, as what a scope calls `own`."""
    import sys

    return sys.modules[__name__]
