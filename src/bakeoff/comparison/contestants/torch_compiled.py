"""torch-compiled: the same module under torch.compile, for batches of one size."""

from __future__ import annotations

from typing import Any

from bakeoff.comparison.contestants import Asked

TEXT = "PyTorch, torch.compile"
FRAMEWORK, LIBRARIES, PIPELINE = "torch", ("torch",), "torch"


def net(asked: Asked) -> Any:
    found = asked.native("torch")
    found.compile_batch = asked.batch_size
    return found
