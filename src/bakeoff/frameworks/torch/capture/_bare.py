"""A module without what torch has put around it, in 32 bits or more."""

from __future__ import annotations

import torch
from torch import nn

from bakeoff.frameworks.torch.capture._copy import copied
from bakeoff.frameworks.torch.capture._export import tensors

NARROW = (torch.float16, torch.bfloat16)


def bare(model: nn.Module) -> tuple[nn.Module, list[str]]:
    """The module that does the work, and what the reader should know of it.

    torch.compile's and (Distributed)DataParallel's wrappers are taken off. Where weights are of 16 bits, a copy in 32
    is given: a step of training would be lost in them, and NumPy has no bfloat16.
    """
    notes = []
    while True:
        inner = getattr(model, "_orig_mod", None)
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            break
        notes.append(f"{type(model).__name__} was taken off; names are those of the module within")
        model = inner
    narrow = sorted({str(t.dtype).removeprefix("torch.") for t in tensors(model).values() if t.dtype in NARROW})
    if narrow:
        model = copied(model).float()
        notes.append(f"its {' and '.join(narrow)} weights are float32 here")
    return model, notes
