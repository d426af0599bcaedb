"""keras-jax: a Keras net on JAX, trained by Keras's own `train_on_batch`, as its users do."""

from __future__ import annotations

from typing import Any

from bakeoff.comparison.contestants import Asked

TEXT = "Keras on JAX, Keras's trainer"
FRAMEWORK, LIBRARIES, PIPELINE = "jax", ("jax", "keras"), "own"


def net(asked: Asked) -> Any:
    return asked.trained("jax")
