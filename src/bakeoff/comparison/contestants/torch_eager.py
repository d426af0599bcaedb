"""torch-eager: PyTorch as it comes, an operation at a time; channels last where that is faster. How `train` runs it."""

from __future__ import annotations

from typing import Any

from bakeoff.comparison.contestants import Asked

TEXT = "PyTorch, eager"
FRAMEWORK, LIBRARIES, PIPELINE = "torch", ("torch",), "torch"


def net(asked: Asked) -> Any:
    return asked.native("torch")
