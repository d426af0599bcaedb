"""keras-torch: a Keras net on PyTorch, trained by Keras's own `train_on_batch`, as its users do."""

from __future__ import annotations

from typing import Any

from bakeoff.comparison.contestants import Asked

TEXT = "Keras on PyTorch, Keras's trainer"
FRAMEWORK, LIBRARIES, PIPELINE = "torch", ("torch", "keras"), "torch"


def net(asked: Asked) -> Any:
    return asked.trained("torch")
