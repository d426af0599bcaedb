"""Copies of live modules."""

from __future__ import annotations

import copy

import torch
from torch import nn


def copied(module: nn.Module) -> nn.Module:
    """A deep copy; what a module has worked out and kept (the old weight_norm, a cache) is copied without its past."""
    kept = (one for part in module.modules() for one in torch.utils._pytree.tree_leaves(dict(vars(part))))
    memo = {id(one): one.detach().clone() for one in kept if isinstance(one, torch.Tensor) and not one.is_leaf}
    return copy.deepcopy(module, memo)
