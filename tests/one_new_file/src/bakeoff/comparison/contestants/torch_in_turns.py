"""torch-in-turns: the plain module, under another name."""

from __future__ import annotations

from typing import Any

from bakeoff.comparison.contestants import Asked

TEXT = "PyTorch, eager, under another name"
FRAMEWORK, LIBRARIES, PIPELINE = "torch", ("torch",), "torch"


def net(asked: Asked) -> Any:
    return asked.native("torch")
