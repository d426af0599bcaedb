"""Arrays in and out of a live nn.Module, by the names of its state dict; and its own files of weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bakeoff.files import atomic_write
from bakeoff.schemas import Array


def seed(value: int) -> None:
    """Draw what comes next from this seed."""
    torch.manual_seed(value)


def tensors(arrays: Mapping[str, Array], module: Any = None) -> dict[str, Any]:
    """A state dict of tensors, with the versions of a module's layers as its own state dict has them."""
    found = OrderedDict((name, torch.from_numpy(np.array(array))) for name, array in arrays.items())
    if module is not None:
        found._metadata = module.state_dict()._metadata  # type: ignore[attr-defined]
    return found


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a state dict as torch does: `.pth`, `.pt`."""
    content = BytesIO()  # by its name, torch would write that into the file; and on a full disk torch ends the process
    torch.save(state, content)
    with atomic_write(path) as file:
        file.write(content.getbuffer())


def copy_in(module: Any, arrays: Mapping[str, Array]) -> None:
    """Copy arrays into a live module by the names of its state dict."""
    state = module.state_dict()
    for name, array in arrays.items():
        state[name].copy_(torch.from_numpy(np.array(array)))
