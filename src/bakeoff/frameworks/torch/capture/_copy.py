"""Copies of live modules."""

from __future__ import annotations

import copy

import torch
from torch import nn


def copied(module: nn.Module) -> nn.Module:
    """A deep copy; what a module has worked out and kept (the old weight_norm) is copied without its past."""
    kept = [value for part in module.modules() for value in vars(part).values() if isinstance(value, torch.Tensor)]
    memo = {id(tensor): tensor.detach().clone() for tensor in kept if not tensor.is_leaf}
    return copy.deepcopy(module, memo)
