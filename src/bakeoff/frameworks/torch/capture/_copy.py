"""Copies of live modules."""

from __future__ import annotations

import copy

import torch
from torch import nn

from bakeoff.errors import UnsupportedError


def copied(module: nn.Module) -> nn.Module:
    """A deep copy; what a module has worked out and kept (the old weight_norm, a cache) is copied without its past.

    Raises:
        UnsupportedError: it holds what can't be copied.
    """
    kept = (one for part in module.modules() for one in torch.utils._pytree.tree_leaves(dict(vars(part))))
    memo = {id(one): one.detach().clone() for one in kept if isinstance(one, torch.Tensor) and not one.is_leaf}
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:  # whatever its attributes say of being copied
        raise UnsupportedError(
            f"{type(module).__name__}: it can't be copied for the checks ({str(error).splitlines()[0][:200]}).\n"
            "Take off what copy.deepcopy refuses: locks, open files, generators, handles."
        ) from None
